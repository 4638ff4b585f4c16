#!/usr/bin/env python3
"""Makes compiler/tests/qonnx: small QONNX models with random constants, inputs, and the outputs of QONNX's own execution.

    make_qonnx_cases.py     needs onnx, numpy and qonnx

All scales are powers of two, so that sums of products are exact in float32 and every value has to be equal. A case is NAME.onnx with
NAME.x.npy and NAME.y.npy, samples on the first axis.
"""
import pathlib
import sys
import warnings

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

warnings.filterwarnings("ignore")
OUT = pathlib.Path(__file__).resolve().parents[1] / "compiler/tests/qonnx"
SAMPLES = 24
GENERAL, BREVITAS, FINN = "qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"


class Net:
    def __init__(self, name, shape, seed):
        self.name, self.rng = name, np.random.default_rng(seed)
        self.nodes, self.constants, self.n = [], [], 0
        self.shape, self.at = shape, "x"

    def const(self, value, dtype=np.float32):
        self.n += 1
        name = f"c{self.n}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind, *inputs, domain="", outputs=1, **attributes):
        self.n += 1
        names = [f"t{self.n}"] if outputs == 1 else [f"t{self.n}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        self.at = names[0]
        return names[0] if outputs == 1 else names

    def quant(self, x, scale, bits, signed=1, narrow=0, mode="ROUND", zero=0.0, domain=GENERAL, kind="Quant"):
        return self.op(kind, x, self.const(scale), self.const(zero), self.const(float(bits)), domain=domain, signed=signed,
                       narrow=narrow, rounding_mode=mode)

    def bipolar(self, x, scale=1.0, domain=GENERAL):
        return self.op("BipolarQuant", x, self.const(scale), domain=domain)

    def weights(self, shape, scale, bits, narrow=1):
        # Some beyond the range, so that clamping and rounding are seen.
        reach = 2.0 ** (bits - 1) * np.max(scale) * 1.2
        return self.quant(self.const(self.rng.uniform(-reach, reach, shape)), scale, bits, 1, narrow)

    def thresholds(self, x, t, **attributes):
        return self.op("MultiThreshold", x, self.const(t), domain=FINN, **attributes)

    def norm(self, x, channels, spread=1.0):
        gamma = self.rng.choice([-1.5, -0.5, 0.25, 1.0, 2.0], channels)
        gamma[0] = 0.0
        values = [gamma, self.rng.normal(0, 1, channels), self.rng.normal(0, spread, channels), self.rng.uniform(0.5, 4, channels) * spread]
        return self.op("BatchNormalization", x, *[self.const(v) for v in values], epsilon=1e-5)

    def write(self, reach):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)
        opsets = [helper.make_opsetid("", 13)] + [helper.make_opsetid(d, 1) for d in (GENERAL, BREVITAS, FINN)]
        samples = (self.rng.integers(-64, 65, (SAMPLES, *self.shape[1:])) / 64 * reach).astype(np.float32)
        graph = helper.make_graph(self.nodes, self.name, [x], [helper.make_tensor_value_info(self.at, TensorProto.FLOAT, None)], self.constants)
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        wrapper = ModelWrapper(model).transform(InferShapes())
        outputs = [execute_onnx(wrapper, {"x": s[None]})[self.at] for s in samples]
        graph.output[0].CopyFrom(helper.make_tensor_value_info(self.at, TensorProto.FLOAT, list(outputs[0].shape)))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        save(model, OUT / f"{self.name}.onnx")
        np.save(OUT / f"{self.name}.x.npy", samples)
        y = np.concatenate(outputs).astype(np.float32)
        np.save(OUT / f"{self.name}.y.npy", y)
        print(self.name, y.shape, len(np.unique(y)), "values")


def roundings():
    modes = ["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]
    for i, mode in enumerate(modes):
        n = Net(f"rounding_{mode.lower()}", [1, 6], 10 + i)
        x = n.quant("x", 0.25, 5, 1, 0, mode)
        y = n.op("MatMul", x, n.op("Transpose", n.weights([5, 6], 0.5, 3), perm=[1, 0]))
        y = n.quant(y, 0.5, 4, 1, i % 2, mode, zero=float(i % 3 - 1))
        n.op("MatMul", y, n.weights([5, 4], 1.0, 2))
        n.write(8.0)


def main():
    OUT.mkdir(exist_ok=True)
    roundings()

    n = Net("narrow_unsigned", [1, 2, 5, 5], 30)
    x = n.quant("x", 0.5, 3, 0, 1, domain=BREVITAS)
    y = n.op("Conv", x, n.weights([4, 2, 3, 3], 0.25, 4), pads=[1, 1, 1, 1])
    y = n.quant(n.op("Relu", y), 0.5, 3, 0, 1, domain=BREVITAS)
    y = n.op("Conv", y, n.weights([3, 4, 3, 3], 0.5, 2, 0), strides=[2, 2])
    n.quant(y, 1.0, 4, 1, 1, "FLOOR", domain=BREVITAS)
    n.write(4.0)

    n = Net("scales_of_channels", [1, 2, 4, 4], 31)
    x = n.quant("x", 0.125, 8)
    scale = 2.0 ** n.rng.integers(-5, 0, (6, 1, 1, 1))
    y = n.op("Conv", x, n.weights([6, 2, 3, 3], scale, 5), n.quant(n.const(n.rng.normal(0, 2, 6)), 2.0 ** -8, 16))
    y = n.quant(n.op("Relu", y), 0.25, 6, 0, 0, kind="IntQuant")
    y = n.op("Flatten", y, axis=1)
    scale = 2.0 ** n.rng.integers(-3, 1, (5, 1))
    y = n.op("Gemm", y, n.weights([5, 24], scale, 3), n.const(n.rng.integers(-40, 40, 5) / 16), transB=1)
    n.quant(y, 0.5, 7, 1, 1)
    n.write(12.0)

    n = Net("batch_norm", [1, 3, 6, 6], 32)
    x = n.quant("x", 0.0625, 6, 1, 1)
    y = n.op("Conv", x, n.weights([8, 3, 3, 3], 0.125, 4))
    y = n.quant(n.norm(y, 8), 0.25, 3, 1, 0)
    y = n.op("Conv", y, n.weights([8, 1, 3, 3], 0.5, 4), group=8)
    y = n.quant(n.op("Relu", n.norm(y, 8, 2.0)), 0.5, 2, 0, 0)
    y = n.op("Conv", y, n.weights([4, 8, 2, 2], 1.0, 2))
    n.norm(y, 4, 4.0)
    n.write(2.0)

    n = Net("bipolar", [1, 2, 8, 8], 33)
    x = n.bipolar("x")
    y = n.op("Conv", x, n.bipolar(n.const(n.rng.normal(0, 1, (8, 2, 3, 3)))))
    y = n.op("Sub", y, n.const(n.rng.integers(-5, 6, (1, 8, 1, 1))))
    y = n.op("MaxPool", n.bipolar(y, 0.5), kernel_shape=[2, 2], strides=[2, 2])
    y = n.op("Flatten", y, axis=1)
    y = n.op("MatMul", y, n.bipolar(n.const(n.rng.normal(0, 1, (72, 6))), 0.25))
    y = n.bipolar(n.norm(y, 6, 2.0))
    n.op("MatMul", y, n.bipolar(n.const(n.rng.normal(0, 1, (6, 4)))))
    n.write(1.0)

    n = Net("one_bit", [1, 12], 34)
    x = n.quant("x", 0.5, 1, 0, 0)
    y = n.op("MatMul", x, n.quant(n.const(n.rng.normal(0, 1, (12, 8))), 1.0, 1, 1, 0))
    y = n.quant(y, 2.0, 1, 1, 0)
    n.op("MatMul", y, n.weights([8, 3], 0.5, 2))
    n.write(1.0)

    n = Net("thresholds", [1, 2, 5, 5], 35)
    x = n.thresholds("x", np.sort(n.rng.normal(0, 1, (2, 3)), 1), out_dtype="UINT2", data_layout="NCHW")
    y = n.op("Conv", x, n.weights([6, 2, 3, 3], 1.0, 3))
    base = n.rng.integers(-8, 8, (6, 1))
    y = n.thresholds(y, base + np.array([[0, 5]]) + 0.5, out_dtype="INT2", out_bias=-1.0, data_layout="NCHW")
    y = n.op("Transpose", y, perm=[0, 2, 3, 1])
    y = n.op("Reshape", y, n.const([1, 54], np.int64))
    y = n.op("MatMul", y, n.const(n.rng.integers(-3, 4, (54, 5))))
    y = n.thresholds(y, [[0.0]], out_dtype="BIPOLAR", out_scale=2.0, out_bias=-1.0)
    y = n.op("MatMul", y, n.const(n.rng.integers(-1, 2, (5, 4))))
    n.thresholds(y, np.array([[-2.0, 0.0, 2.0]]), out_dtype="FLOAT32", out_scale=0.5, out_bias=-0.75)
    n.write(2.0)

    n = Net("constants_of_channels", [1, 2, 4, 4], 36)
    x = n.quant("x", 0.5, 4)
    y = n.op("Conv", x, n.weights([6, 2, 2, 2], 1.0, 3))
    per = lambda values: n.const(np.asarray(values).reshape(1, 6, 1, 1))
    y = n.op("Mul", y, per([-1, 0.5, 2, -0.25, 1.3, 0.7]))
    y = n.op("Sub", per(n.rng.normal(0, 3, 6)), y)
    y = n.op("Div", y, n.const(1.75))
    y = n.op("Add", y, per(n.rng.normal(0, 1, 6)))
    y = n.op("Clip", y, n.const(-6.0), n.const(5.0))
    y = n.op("LeakyRelu", y, alpha=0.25)
    y = n.quant(y, 0.5, 4, 1, 0, "HALF_UP")
    y = n.op("Conv", y, n.weights([2, 6, 2, 2], 0.25, 4))
    n.op("Relu", n.op("Mul", y, n.const(np.array([1.1, -0.7]).reshape(2, 1, 1))))
    n.write(4.0)

    n = Net("wide_output", [1, 64, 3, 3], 37)
    x = n.quant("x", 0.0078125, 8)
    y = n.op("Conv", x, n.weights([3, 64, 3, 3], 0.0078125, 8, 0), pads=[1, 1, 1, 1])
    n.op("Add", y, n.const(n.rng.normal(0, 1, (3, 1, 1))))
    n.write(1.0)

    n = Net("residual", [1, 4, 4, 4], 38)
    x = n.quant("x", 0.25, 5)
    y = n.quant(n.op("Conv", x, n.weights([4, 4, 3, 3], 0.5, 3), pads=[1, 1, 1, 1]), 0.5, 4)
    y = n.quant(n.op("Add", x, y), 0.5, 5, 1, 1)
    y = n.op("Conv", y, n.weights([8, 4, 3, 3], 0.5, 3), pads=[1, 1, 1, 1])
    y = n.op("DepthToSpace", y, blocksize=2, mode="CRD")
    n.quant(n.op("Relu", y), 0.5, 6, 0, 0)
    n.write(4.0)

    n = Net("trunc", [1, 8], 39)
    x = n.quant("x", 0.25, 7)
    x = n.op("Trunc", x, n.const(0.25), n.const(0.0), n.const(7.0), n.const(4.0), domain=GENERAL, rounding_mode="FLOOR")
    y = n.op("MatMul", x, n.weights([8, 5], 0.5, 3))
    n.quant(y, 1.0, 5, 1, 1)
    n.write(16.0)

    n = Net("tables", [1, 3, 4, 4], 40)
    x = n.quant("x", 0.25, 4)
    x = n.quant(x, 0.5, 3, 1, 0, "CEIL")
    x = n.quant(n.op("Abs", x), 0.5, 2, 0, 0, "FLOOR")
    y = n.op("Conv", x, n.weights([4, 3, 1, 1], 0.5, 3))
    n.quant(y, 0.5, 5)
    n.write(2.0)


if __name__ == "__main__":
    sys.exit(main())
