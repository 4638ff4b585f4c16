#!/usr/bin/env python3
"""Asks ONNX Runtime for the bytes that `compiler/arith` has to reproduce.

    pip install onnx onnxruntime==1.32.0 numpy
    python3 compiler/tests/reference/generate.py cases.bin            # small: the committed fixture
    python3 compiler/tests/reference/generate.py --size 64 big.bin    # millions of cases
    ONNX2CHIP_REFERENCE_CASES=big.bin cargo test reference_cases

Each record is one line of JSON and then raw little-endian arrays. Graph optimisation is disabled, one thread.
"""

import argparse
import json

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

MS = "com.microsoft"
DOMAIN = {"Gelu": MS, "FastGelu": MS, "QuickGelu": MS}
RNG = np.random.default_rng(20)
F32, I32 = np.float32, np.int32


def session(nodes, inputs, outputs, constants):
    graph = h.make_graph(nodes, "g", inputs, outputs, [nh.from_array(v, k) for k, v in constants.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 18), h.make_opsetid(MS, 1)], ir_version=9)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(nodes, feed, constants, output="y"):
    inputs = [h.make_tensor_value_info(k, h.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feed.items()]
    out = h.make_empty_tensor_value_info(output)
    return session(nodes, inputs, [out], constants).run(None, feed)[0]


class Writer:
    def __init__(self, path):
        self.file = open(path, "wb")

    def put(self, kind, params, **arrays):
        header = {"kind": kind, **params, "arrays": [[k, v.dtype.name, v.size] for k, v in arrays.items()]}
        self.file.write(json.dumps(header).encode() + b"\n")
        for v in arrays.values():
            self.file.write(np.ascontiguousarray(v).tobytes())


def signed_type(signed):
    return np.int8 if signed else np.uint8


def bounds(signed):
    return (-128, 127) if signed else (0, 255)


def zero_point(signed):
    lo, hi = bounds(signed)
    return int(RNG.choice([lo, hi, 0 if signed else 128, RNG.integers(lo, hi + 1)]))


def scale(low=-9.0, high=1.0):
    return F32(10.0 ** RNG.uniform(low, high))


def rescale(w, channels):
    signed = bool(RNG.integers(2))
    zp = zero_point(signed)
    xs, ys = scale(-3, 0), scale(-3, 0)
    ws = (10.0 ** RNG.uniform(-9, 0.5, channels)).astype(F32)
    ws[::7] = F32(2.0) ** RNG.integers(-20, 1, ws[::7].size).astype(F32)
    s = (xs * ws) / ys
    assert s.dtype == F32
    k = RNG.integers(-300, 300, channels) + 0.5
    acc = np.round(k / s.astype(np.float64)) + RNG.integers(-2, 3, channels)
    wild = RNG.random(channels) < 0.1
    acc = np.where(wild, RNG.integers(-(2**31), 2**31, channels), acc)
    acc = np.clip(acc, -(2**31), 2**31 - 1).astype(np.int64).astype(I32)
    x = np.full((1, 1, 1, 1), 128, np.uint8)
    constants = {
        "xs": xs, "xz": np.uint8(128), "w": np.ones((channels, 1, 1, 1), np.int8), "ws": ws,
        "wz": np.zeros(channels, np.int8), "ys": ys, "yz": signed_type(signed)(zp), "b": acc,
    }
    if signed:
        x, constants["xz"] = np.zeros((1, 1, 1, 1), np.int8), np.int8(0)
    node = h.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"])
    y = run([node], {"x": x}, {k: np.asarray(v) for k, v in constants.items()})
    w.put("rescale", {"zero_point": zp, "signed": signed}, scale=s, acc=acc, y=y.reshape(-1).astype(I32))


def pair(signed):
    lo, hi = bounds(signed)
    q = np.arange(lo, hi + 1)
    return [v.astype(signed_type(signed)).reshape(1, 1, 256, 256) for v in np.meshgrid(q, q, indexing="ij")]


def triple(signed, spread=1.0):
    base = RNG.uniform(-3, 0)
    return [(F32(10.0 ** (base + RNG.uniform(-spread, spread))), zero_point(signed)) for _ in range(3)]


def fused_matters(which, a, b, scales, zero_points):
    """Whether rounding a product of QLinearAdd (of the sum, or of its constant) by itself would change a byte."""
    (sa, sb, sy), (za, zb, zy) = scales, zero_points
    ra, rb = F32(sa / sy), F32(sb / sy)
    fixed = F32(zy) - F32(float(ra) * za + float(F32(rb * F32(zb))))
    inner = (b.astype(np.float64) * float(rb) + float(fixed)).astype(F32)
    fused = (a.astype(np.float64) * float(ra) + inner.astype(np.float64)).astype(F32)
    if which == "sum":
        plain = a.astype(F32) * ra + (b.astype(F32) * rb + fixed)
    else:
        fixed = F32(zy) - (ra * F32(za) + rb * F32(zb))
        plain = (b.astype(np.float64) * float(rb) + float(fixed)).astype(F32)
        plain = (a.astype(np.float64) * float(ra) + plain.astype(np.float64)).astype(F32)
    lo, hi = bounds(a.dtype == np.int8)
    return (np.clip(np.rint(fused), lo, hi) != np.clip(np.rint(plain), lo, hi)).any()


def add(w, form, hard=None):
    signed = bool(RNG.integers(2))
    dtype = signed_type(signed)
    a, b = pair(signed)
    while True:
        (sa, za), (sb, zb), (sy, zy) = triple(signed)
        if not hard or fused_matters(hard, a, b, (sa, sb, sy), (za, zb, zy)):
            break
    if not hard and RNG.random() < 0.2:
        sa = sb = sy
    c = {"sa": sa, "za": dtype(za), "sb": sb, "zb": dtype(zb), "sy": sy, "zy": dtype(zy)}
    c = {k: np.asarray(v) for k, v in c.items()}
    if form == "qlinear":
        nodes = [h.make_node("QLinearAdd", ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"], domain=MS)]
    else:
        nodes = [
            h.make_node("DequantizeLinear", ["a", "sa", "za"], ["fa"]),
            h.make_node("DequantizeLinear", ["b", "sb", "zb"], ["fb"]),
            h.make_node("Add", ["fa", "fb"], ["fy"]),
            h.make_node("QuantizeLinear", ["fy", "sy", "zy"], ["y"]),
        ]
    y = run(nodes, {"a": a, "b": b}, c)
    params = {"form": form, "signed": signed, "scales": [float(sa), float(sb), float(sy)], "zero_points": [za, zb, zy]}
    w.put("add", params, y=y.reshape(-1))


def average(w, form, windows):
    signed = bool(RNG.integers(2))
    dtype = signed_type(signed)
    lo, hi = bounds(signed)
    kh, kw = [(2, 2), (3, 3), (1, 4), (5, 5), (8, 8), (7, 7), (1, 25)][RNG.integers(7)]
    (sx, zx), _, (sy, zy) = triple(signed, 0.3)
    if RNG.random() < 0.4:
        sy = sx
    if RNG.random() < 0.2:
        sx, sy = F32(2.0**-5), F32(2.0**-6)
    x = RNG.integers(lo, hi + 1, (1, 1, windows * kh, kw))
    x[:, :, : windows * kh // 2] = np.clip(zx + RNG.integers(-4, 5, x[:, :, : windows * kh // 2].shape), lo, hi)
    x = x.astype(dtype)
    c = {"sx": sx, "zx": dtype(zx), "sy": sy, "zy": dtype(zy)}
    c = {k: np.asarray(v) for k, v in c.items()}
    taps = x.reshape(windows, kh * kw)
    attributes = {"kernel_shape": [kh, kw], "strides": [kh, kw]}
    if form == "global":
        x = taps.reshape(1, windows, kh, kw)
        nodes = [h.make_node("QLinearGlobalAveragePool", ["x", "sx", "zx", "sy", "zy"], ["y"], domain=MS)]
    elif form == "qlinear":
        nodes = [h.make_node("QLinearAveragePool", ["x", "sx", "zx", "sy", "zy"], ["y"], domain=MS, **attributes)]
    else:
        nodes = [
            h.make_node("DequantizeLinear", ["x", "sx", "zx"], ["fx"]),
            h.make_node("AveragePool", ["fx"], ["fy"], **attributes),
            h.make_node("QuantizeLinear", ["fy", "sy", "zy"], ["y"]),
        ]
    y = run(nodes, {"x": x}, c)
    params = {"form": form, "signed": signed, "taps": kh * kw, "scales": [float(sx), float(sy)], "zero_points": [zx, zy]}
    w.put("average", params, x=taps.astype(np.int16), y=y.reshape(-1).astype(np.int16))


UNARY = {
    "Relu": {}, "Abs": {}, "Neg": {}, "LeakyRelu": {"alpha": 0.1}, "ThresholdedRelu": {"alpha": 0.3}, "Sigmoid": {},
    "Tanh": {}, "HardSigmoid": {"alpha": 0.16666667, "beta": 0.5}, "HardSwish": {}, "Softsign": {}, "Elu": {"alpha": 1.0},
    "Selu": {}, "Softplus": {}, "Exp": {},
}


def unary(w, name, attributes, form):
    signed = bool(RNG.integers(2))
    dtype = signed_type(signed)
    lo, hi = bounds(signed)
    x = np.arange(lo, hi + 1).astype(dtype)
    sx, zx = scale(-3, -0.5), zero_point(signed)
    sy, zy = scale(-3, -0.5), zero_point(signed)
    if RNG.random() < 0.3:
        sy = F32(1 / 256)
    c = {"sx": sx, "zx": dtype(zx), "sy": sy, "zy": dtype(zy)}
    c = {k: np.asarray(v) for k, v in c.items()}
    if form == "QLinear":
        nodes = [h.make_node(name, ["x", "sx", "zx", "sy", "zy"], ["y"], domain=MS, **attributes)]
    else:
        domain = DOMAIN.get(name, "")
        middle = [] if form == "Requantize" else [h.make_node(name, ["fx"], ["fy"], domain=domain, **attributes)]
        nodes = [
            h.make_node("DequantizeLinear", ["x", "sx", "zx"], ["fx"]), *middle,
            h.make_node("QuantizeLinear", ["fy" if middle else "fx", "sy", "zy"], ["y"]),
        ]
    y = run(nodes, {"x": x}, c)
    params = {"form": form, "name": name, "attributes": attributes, "signed": signed, "scales": [float(sx), float(sy)],
              "zero_points": [zx, zy]}
    w.put("unary", params, y=y.astype(np.int16))


# The functions that are no part of UNARY: its order, and so the cases before, stay as they are.
MORE = {
    "Floor": {}, "Ceil": {}, "Round": {}, "Sign": {}, "Sqrt": {}, "Reciprocal": {}, "Log": {}, "Erf": {}, "Gelu": {},
    "FastGelu": {}, "QuickGelu": {"alpha": 1.702}, "Celu": {"alpha": 1.3}, "Mish": {},
    "Selu": {"alpha": 1.1, "gamma": 2.0},
}
LIBRARY = ["Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"]
DENSE = ["Elu", "Selu", "Celu", "Softplus", "Mish", "Log", "Exp", "Erf", "Gelu", "FastGelu", "QuickGelu", "Sqrt", "Reciprocal"]


def function(w, name, attributes, count):
    """Floats; an odd count, so that some elements are left over from vectors."""
    x = (RNG.standard_normal(count) * 10.0 ** RNG.uniform(-2, 1.2, count)).astype(F32)
    if name in ("Log", "Sqrt"):
        x = np.abs(x)
    if name in ("Asin", "Acos", "Atanh"):
        x = np.tanh(x)
    if name == "Acosh":
        x = np.abs(x) + F32(1)
    if name in LIBRARY:
        x = np.clip(x, -39, 39)
    node = h.make_node(name, ["x"], ["y"], domain=DOMAIN.get(name, ""), **attributes)
    y = np.concatenate([run([node], {"x": x}, {}), run([node], {"x": x[:3]}, {})])
    w.put("function", {"name": name, "attributes": attributes}, x=np.concatenate([x, x[:3]]), y=y)


def arithmetic(w, name, hard=False):
    signed = bool(RNG.integers(2))
    dtype = signed_type(signed)
    lo, hi = bounds(signed)
    x, b = np.arange(lo, hi + 1).astype(dtype), int(RNG.integers(lo, hi + 1))
    s = [scale(-3, -1), scale(-3, -1)]
    # Wide enough for most results to lie inside; ties where the scales are powers of two.
    s.append(F32(s[0] * s[1] * RNG.uniform(20, 250)) if name == "Mul" else scale(-2.5, -0.5))
    if RNG.random() < 0.4:
        s = [F32(2.0 ** np.round(np.log2(v))) for v in s]
    z = [zero_point(signed) for _ in s]
    if hard:
        # Ties everywhere, which an odd zero point sends the other way.
        s, b = [F32(2.0**-5), F32(2.0**-5), F32(2.0**-10 * 2 ** int(RNG.integers(1, 6)))], z[1] + (1 if z[1] < hi else -1)
        z[2] = int(RNG.integers(lo // 2, hi // 2)) | 1
    c = {f"s{i}": np.asarray(v) for i, v in enumerate(s)} | {f"z{i}": np.asarray(dtype(v)) for i, v in enumerate(z)}
    c["b"] = np.asarray(dtype(b))
    node = h.make_node(f"QLinear{name}", ["x", "s0", "z0", "b", "s1", "z1", "s2", "z2"], ["y"], domain=MS)
    y = run([node], {"x": x}, c)
    params = {"name": name, "constant": b, "signed": signed, "scales": [float(v) for v in s], "zero_points": z}
    w.put("arithmetic", params, y=y.astype(np.int16))


def host(w, count):
    signed = bool(RNG.integers(2))
    dtype = signed_type(signed)
    s, zp = scale(-4, 1), zero_point(signed)
    v = ((RNG.integers(-300, 300, count) + 0.5) * s).astype(F32)
    v = (v.view(I32) + RNG.integers(-2, 3, count).astype(I32)).view(F32)
    v[:5] = [np.inf, -np.inf, 0.0, 3e38, -3e38]
    y = run([h.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])], {"x": v}, {"s": np.asarray(s), "z": np.asarray(dtype(zp))})
    d = run([h.make_node("DequantizeLinear", ["x", "s", "z"], ["y"])], {"x": y}, {"s": np.asarray(s), "z": np.asarray(dtype(zp))})
    w.put("quantize", {"signed": signed, "scale": float(s), "zero_point": zp}, x=v, y=y.astype(np.int16), d=d)


def softmax(w, rows):
    n = int(RNG.choice([1, 2, 3, 7, 8, 9, 10, 12, 15, 16, 17, 24, 31, 48, 49, 100, 1000]))
    x = (RNG.standard_normal((rows, n)) * 10.0 ** RNG.uniform(-1, 2)).astype(F32)
    y = run([h.make_node("Softmax", ["x"], ["y"], axis=1)], {"x": x}, {})
    # The order of the sum is that of the vector unit which computed these bytes.
    lanes = 16 if "avx512f" in open("/proc/cpuinfo").read() else 8
    w.put("softmax", {"length": n, "lanes": lanes}, x=x.reshape(-1), y=y.reshape(-1))


def qlinear_softmax(w, rows):
    signed = bool(RNG.integers(2))
    dtype = signed_type(signed)
    lo, hi = bounds(signed)
    n = int(RNG.choice([2, 3, 10, 12, 35, 1000]))
    x = RNG.integers(lo, hi + 1, (rows, n)).astype(dtype)
    sx, zx = scale(-3, 0), zero_point(signed)
    # ONNX Runtime's quantizer always writes 1/256 with the lowest zero point; others are tried as well.
    sy, zy = (F32(1 / 256), lo) if RNG.random() < 0.7 else (scale(-2.6, -1), lo)
    c = {"sx": sx, "zx": dtype(zx), "sy": sy, "zy": dtype(zy)}
    c = {k: np.asarray(v) for k, v in c.items()}
    node = h.make_node("QLinearSoftmax", ["x", "sx", "zx", "sy", "zy"], ["y"], domain=MS, axis=1, opset=13)
    y = run([node], {"x": x}, c)
    params = {"signed": signed, "length": n, "scales": [float(sx), float(sy)], "zero_points": [zx, zy]}
    w.put("qlinear_softmax", params, x=x.reshape(-1).astype(np.int16), y=y.reshape(-1).astype(np.int16))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20)
    args = parser.parse_args()
    global RNG
    RNG = np.random.default_rng(args.seed)
    w, size = Writer(args.output), args.size
    for _ in range(size):
        rescale(w, 65536 if size > 1 else 1500)
    for _ in range(1 if size == 1 else 2 * size):
        add(w, "qlinear", hard="sum")
        add(w, "qlinear", hard="constant")
        if size > 1:
            add(w, "qlinear")
        add(w, "float")
    for form in ("global", "qlinear", "float"):
        for _ in range(3 * size):
            average(w, form, 2000 if size > 1 else 40)
    for _ in range(2 * size if size == 1 else 4 * size):
        for name, attributes in UNARY.items():
            unary(w, name, attributes, "Float")
        unary(w, "QLinearSigmoid", {}, "QLinear")
        unary(w, "QLinearLeakyRelu", {"alpha": 0.1}, "QLinear")
        unary(w, "Requantize", {}, "Requantize")
    for _ in range(2 * size):
        host(w, 20000 if size > 1 else 200)
        softmax(w, 50 if size > 1 else 4)
        qlinear_softmax(w, 50 if size > 1 else 4)
    for _ in range(4 * size):
        for name, attributes in MORE.items():
            unary(w, name, attributes, "Float")
        arithmetic(w, "Add")
        arithmetic(w, "Mul")
        arithmetic(w, "Mul", hard=True)
    for name in DENSE + LIBRARY:
        function(w, name, MORE.get(name, UNARY.get(name, {})), 300 if size == 1 else 200_001)


main()
