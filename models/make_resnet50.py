#!/usr/bin/env python3
"""Makes a quantized ResNet-50 for 224 x 224 images with random weights: the shape of the network, not its accuracy.

He et al., "Deep residual learning for image recognition", CVPR 2016, with the stride in the 3x3 convolution (v1.5), batch
normalization folded. Weights are normal with He's variance, halved in each block's last convolution so that activations stay in
range; ONNX Runtime's own quantizer makes the QDQ form, int8 weights per channel and int8 activations, calibrated on noise.

    make_resnet50.py FILE.onnx      needs numpy, onnx and onnxruntime
"""
import logging
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

SEED = 50


class Net:
    def __init__(self):
        self.rng = np.random.default_rng(SEED)
        self.nodes, self.constants = [], []

    def constant(self, values, name):
        self.constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x, name, inputs, outputs, kernel, stride=1, gain=1.0, relu=True):
        deviation = gain * np.sqrt(2 / (inputs * kernel * kernel))
        w = self.constant(self.rng.normal(0, deviation, (outputs, inputs, kernel, kernel)), name + "_w")
        b = self.constant(self.rng.normal(0, 0.05, outputs), name + "_b")
        pad = kernel // 2
        y = self.node("Conv", [x, w, b], name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
        return self.node("Relu", [y], name + "_relu") if relu else y

    def block(self, x, name, inputs, width, stride):
        y = self.conv(x, name + "_a", inputs, width, 1)
        y = self.conv(y, name + "_b", width, width, 3, stride)
        y = self.conv(y, name + "_c", width, 4 * width, 1, gain=0.5, relu=False)
        if inputs != 4 * width or stride != 1:
            x = self.conv(x, name + "_s", inputs, 4 * width, 1, stride, gain=0.7, relu=False)
        y = self.node("Add", [y, x], name + "_sum")
        return self.node("Relu", [y], name + "_out")


def build():
    net = Net()
    x = net.conv("image", "stem", 3, 64, 7, 2)
    x = net.node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage, (blocks, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)]):
        for i in range(blocks):
            x = net.block(x, f"s{stage}b{i}", channels, width, 2 if stage > 0 and i == 0 else 1)
            channels = 4 * width
    x = net.node("GlobalAveragePool", [x], "mean")
    x = net.node("Flatten", [x], "flat", axis=1)
    w = net.constant(net.rng.normal(0, 0.02, (channels, 1000)), "fc_w")
    b = net.constant(net.rng.normal(0, 0.05, 1000), "fc_b")
    net.node("Gemm", [x, w, b], "logits")
    graph = helper.make_graph(
        net.nodes, "resnet50",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1000])],
        net.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


class Noise(CalibrationDataReader):
    def __init__(self, count):
        rng = np.random.default_rng(SEED + 1)
        self.images = iter([{"image": rng.normal(0, 1, (1, 3, 224, 224)).astype(np.float32)} for _ in range(count)])

    def get_next(self):
        return next(self.images, None)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "float.onnx"
        onnx.save(build(), path)
        quantize_static(
            path, sys.argv[1], Noise(2), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
        )


if __name__ == "__main__":
    main()
