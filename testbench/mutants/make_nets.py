#!/usr/bin/env python3
"""Makes one.onnx to seven.onnx, product.onnx, nine.onnx to eleven.onnx, thirteen.onnx, ends.onnx, argmax.onnx and softmax.onnx, the networks
that the mutants are run on; needs onnx and numpy.

Small, random, and with every mechanism that a mutant may break: both axes of every stride, dilation and pad differ,
zero points are not zero, layers share the scratchpad, and some rescales have no offset form.

  one   folded first convolution, table, dilation, residual addition, both pools, the exact lane, more than 2^24 in an
        accumulator, additions of their own, several output blocks and channel blocks
  two   the input is read by two layers, so it is released late; K > P*C; every addition's group would be one cycle
  three the output takes longer to send than the next sample to compute
  four  scales whose sums end on ties that float32 can't tell apart; averages that it adds, with several divisors
  five  grouped convolutions: a channel multiplier, depthwise, groups across words
  six   concatenations whose parts end inside words, read by pool and array; Slice with steps, Pad with channels
  seven depthwise layers: residual additions, strides of both axes, two rows at once, pads on every side or some, maps of one
        column and of one row, a partly filled last channel block; a kernel as high as a window of 4 rows
  product  products of two tensors: one with a word, a column or a pixel for all of the other's, a further addition, thresholds
        that either factor corrects
  nine  maps so large that only some rows of them fit: windows of the array, the pool and depthwise layers on rings
  ten   more maps than fit, each read again much later
  eleven  depthwise layers whose kernels exceed the window: several groups of columns, tiles above the map, a residual
        addition, dilations, two rows at once, pads that no slot spares; a channel multiplier
  thirteen  an input that arrives in rows, folded, and a layer behind it whose weights come in parts
  ends  two inputs, one folded, one read again late; two outputs, uint8 and int8, one of them read on
  argmax   the least of each pixel's 19 channels, and its place: TopK behind the last layer
  softmax  Softmax of each pixel's 5 channels behind the last layer, quantized, with a zero point inside the range
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent


class Net:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.constants, self.scale, self.zero = [], [], {}, {}

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def quantize(self, value, name, scale, zero, kind, shape=()):
        """QuantizeLinear and DequantizeLinear of a value; returns the dequantized tensor."""
        s, z = self.constant(np.full(shape, scale, np.float32)), self.constant(np.full(shape, zero, kind))
        self.node("QuantizeLinear", [value, s, z], name + "_q")
        self.scale[name + "_d"] = np.float32(scale)
        return self.node("DequantizeLinear", [name + "_q", s, z], name + "_d")

    def weight(self, name, x, shape, scales, bias):
        """An int8 tensor, one scale an output channel, and its int32 bias."""
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        scales = np.asarray(scales, np.float32)
        zero = self.constant(np.zeros(shape[0], np.int8))
        w = self.node("DequantizeLinear", [self.constant(values), self.constant(scales), zero], name + "_w", axis=0)
        b_scale = self.constant((self.scale[x] * scales).astype(np.float32))
        b_zero = self.constant(np.zeros(shape[0], np.int32))
        b = self.node("DequantizeLinear", [self.constant(np.asarray(bias, np.int32)), b_scale, b_zero], name + "_b", axis=0)
        return [x, w, b]

    def conv(self, name, x, shape, scales, bias, **attributes):
        return self.node("Conv", self.weight(name, x, shape, scales, bias), name, **attributes)

    def save(self, path, x_shape, y, y_shape):
        self.save_ends(path, [("x", x_shape)], [(y, y_shape)])

    def save_ends(self, path, inputs, outputs):
        """Ends are names and shapes, and types that are not float."""
        value = lambda name, shape, dtype=TensorProto.FLOAT: helper.make_tensor_value_info(name, dtype, shape)
        values = lambda ends: [value(*end) for end in ends]
        graph = helper.make_graph(self.nodes, path.stem, values(inputs), values(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="")
        onnx.checker.check_model(model, full_check=True)
        path.write_bytes(model.SerializeToString(deterministic=True))


def one():
    n = Net(1)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count, size: n.rng.integers(-size, size + 1, count)
    u8 = np.uint8
    x = n.quantize("x", "x", .02, 100, u8)
    a = n.conv("a", x, (6, 3, 3, 3), scales(6, .003), bias(6, 20000), strides=[1, 2], pads=[1, 1, 1, 0])
    a = n.quantize(a, "a", .03, 121, u8)
    a = n.node("LeakyRelu", [a], "leaky", alpha=.3)
    a = n.quantize(a, "leaky", .021, 70, u8)
    b = n.conv("b", a, (6, 6, 3, 2), scales(6, .004), bias(6, 9000), dilations=[2, 1], pads=[2, 0, 2, 1])
    b = n.quantize(b, "b", .037, 131, u8)
    b = n.quantize(n.node("Add", [a, b], "add"), "add", 1 / 32, 117, u8)
    c = n.quantize(n.node("MaxPool", [b], "max", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 1, 1, 0]), "max", 1 / 32, 117, u8)
    d = n.node("AveragePool", [c], "mean", kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1], count_include_pad=0)
    d = n.quantize(d, "mean", .029, 104, u8)
    # Biases beyond 2^24, and scales that bring them back to a byte: the exact lane.
    huge = np.arange(11) % 3 > 0
    big = np.where(huge, (1 << 25) + bias(11, 1 << 23), bias(11, 20000))
    e = n.conv("e", d, (11, 6, 3, 2), np.where(huge, scales(11, 8e-7), scales(11, 2e-4)), big,
               strides=[2, 1], dilations=[1, 2], pads=[1, 1, 1, 1])
    e = n.quantize(n.node("Relu", [e], "relu"), "relu", .0075, 60, u8)
    f = n.quantize(n.conv("f", e, (11, 11, 1, 1), scales(11, .002), bias(11, 9000)), "f", .011, 30, u8)
    g = n.quantize(n.node("Add", [e, f], "sum"), "sum", .0103, 5, u8)
    g = n.quantize(n.node("Add", [f, g], "sum2"), "sum2", .0103, 5, u8)
    flat = n.node("Flatten", [g], "flat")
    flat = n.quantize(flat, "flat", .0103, 5, u8)
    h = n.weight("h", flat, (5, 99), scales(5, .002), bias(5, 30000))
    h = n.quantize(n.node("Gemm", h, "h", transB=1), "h", .02, 133, u8)
    n.save(HERE / "one.onnx", [1, 3, 9, 10], h, [1, 5])


def two():
    n = Net(2)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-9000, 9001, count)
    i8 = np.int8
    x = n.quantize("x", "x", .02, -11, i8)
    a = n.conv("a", x, (9, 6, 2, 2), scales(9, .003), bias(9), pads=[1, 0, 0, 1])
    a = n.quantize(a, "a", .04, 9, i8)
    b = n.conv("b", a, (6, 9, 1, 1), scales(6, .003), bias(6))
    b = n.quantize(b, "b", .03, -20, i8)
    b = n.quantize(n.node("Add", [x, b], "add"), "add", .033, -3, i8)
    c = n.conv("c", b, (10, 6, 1, 1), scales(10, .003), bias(10), strides=[2, 2])
    c = n.quantize(c, "c", .03, 2, i8)
    d = n.conv("d", c, (10, 10, 1, 1), scales(10, .003), bias(10))
    d = n.quantize(d, "d", .0471, 7, i8)
    e = n.quantize(n.node("Add", [d, c], "out"), "out", .05, -1, i8)
    n.save(HERE / "two.onnx", [1, 6, 5, 6], e, [1, 10, 3, 3])


def three():
    n = Net(3)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-9000, 9001, count)
    x = n.quantize("x", "x", .02, 3, np.int8)
    a = n.quantize(n.conv("a", x, (5, 2, 1, 1), scales(5, .003), bias(5)), "a", .02, -9, np.int8)
    b = n.quantize(n.conv("b", a, (24, 5, 1, 1), scales(24, .003), bias(24)), "b", .02, 4, np.int8)
    n.save(HERE / "three.onnx", [1, 2, 4, 5], b, [1, 24, 4, 5])


def four():
    n = Net(4)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-9000, 9001, count)
    u8 = np.uint8
    x = n.quantize("x", "x", .02, 120, u8)
    a = n.quantize(n.conv("a", x, (10, 3, 1, 1), scales(10, .004), bias(10)), "a", 1 / 127, 228, u8)
    b = n.quantize(n.conv("b", x, (10, 3, 1, 1), scales(10, .004), bias(10)), "b", 3 / 127, 244, u8)
    c = n.quantize(n.node("Add", [a, b], "add"), "add", 6 / 127, 52, u8)
    d = n.node("AveragePool", [c], "even", kernel_shape=[2, 2])
    d = n.quantize(d, "even", 6 / 127, 52, u8)
    e = n.node("AveragePool", [d], "edges", kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1], count_include_pad=0)
    e = n.quantize(e, "edges", 6 / 127, 52, u8)
    f = n.quantize(n.node("Sigmoid", [e], "sigmoid"), "sigmoid", 1 / 256, 0, u8)
    n.save(HERE / "four.onnx", [1, 3, 7, 8], f, [1, 10, 6, 4])


def five():
    n = Net(5)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-9000, 9001, count)
    i8 = np.int8
    x = n.quantize("x", "x", .02, -11, i8)
    a = n.conv("a", x, (36, 1, 3, 2), scales(36, .004), bias(36), pads=[1, 0, 1, 1], group=18)
    a = n.quantize(a, "a", .04, 9, i8)
    b = n.quantize(n.conv("b", a, (36, 1, 2, 2), scales(36, .006), bias(36), strides=[1, 2], group=36), "b", .05, -7, i8)
    c = n.quantize(n.conv("c", b, (9, 12, 1, 1), scales(9, .004), bias(9), group=3), "c", .06, 1, i8)
    n.save(HERE / "five.onnx", [1, 18, 4, 5], c, [1, 9, 3, 2])


def six():
    n = Net(6)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-9000, 9001, count)
    i8 = np.int8
    ints = lambda *v: n.constant(np.array(v, np.int64))
    x = n.quantize("x", "x", .02, -11, i8)
    a = n.quantize(n.conv("a", x, (5, 3, 3, 3), scales(5, .004), bias(5), pads=[1, 1, 1, 1]), "a", .03, 9, i8)
    b = n.quantize(n.conv("b", x, (11, 3, 1, 1), scales(11, .005), bias(11)), "b", .04, -7, i8)
    c = n.quantize(n.node("Concat", [a, b, a], "joined", axis=1), "joined", .035, 5, i8)
    m = n.quantize(n.node("MaxPool", [c], "max", kernel_shape=[2, 2]), "max", .035, 5, i8)
    s = n.node("Slice", [c, ints(1, 0), ints(99, 99), ints(2, 3), ints(1, 2)], "cut")
    s = n.quantize(s, "cut", .035, 5, i8)
    p = n.node("Pad", [s, ints(0, 2, 0, 1, 0, 0, 0, 1)], "pad")
    p = n.quantize(p, "pad", .035, 5, i8)
    m = n.quantize(n.conv("d", m, (23, 21, 1, 1), scales(23, .003), bias(23)), "d", .0513, 1, i8)
    y = n.quantize(n.node("Add", [p, m], "sum"), "sum", .0617, -2, i8)
    n.save(HERE / "six.onnx", [1, 3, 5, 6], y, [1, 23, 4, 5])


def seven():
    n = Net(7)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-6000, 6001, count)
    i8 = np.int8

    def depthwise(name, x, kernel, scale, zero, **attributes):
        y = n.conv(name, x, (37, 1, *kernel), scales(37, .007), bias(37), group=37, **attributes)
        return n.quantize(y, name, scale, zero, i8)

    x = n.quantize("x", "x", .02, -11, i8)
    a = n.quantize(n.conv("a", x, (37, 5, 1, 1), scales(37, .004), bias(37)), "a", .03, 9, i8)
    b = depthwise("b", a, (3, 3), .04, -7, pads=[1, 1, 1, 1])
    b = n.quantize(n.node("Add", [a, b], "add"), "add", .042, 5, i8)
    uv = [depthwise(name, b, (3, 2), .06, 13, strides=[3, 1], pads=[0, 0, 0, 1]) for name in ("u", "v")]
    c = n.quantize(n.node("Add", uv, "sum"), "sum", .08, -4, i8)
    d = depthwise("d", c, (3, 3), .11, 8, strides=[2, 2], pads=[1, 1, 1, 1])
    e = depthwise("e", d, (3, 3), .13, -19, strides=[2, 2], pads=[0, 1, 2, 1])
    f = depthwise("f", e, (2, 4), .15, -5, pads=[1, 1, 1, 1])
    g = depthwise("g", f, (4, 2), .16, 21, strides=[4, 1], pads=[0, 1, 0, 1])
    y = n.quantize(n.conv("h", g, (11, 37, 1, 1), scales(11, .003), bias(11)), "h", .11, 3, i8)
    n.save(HERE / "seven.onnx", [1, 5, 27, 7], y, [1, 11, 1, 2])


def product():
    n = Net(8)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-6000, 6001, count)
    i8 = np.int8
    x = n.quantize("x", "x", .02, -11, i8)
    a = n.quantize(n.conv("a", x, (19, 3, 3, 3), scales(19, .004), bias(19), pads=[1, 1, 1, 1]), "a", .03, 9, i8)
    s = n.quantize(n.node("GlobalAveragePool", [a], "mean"), "mean", .007, -20, i8)
    s = n.quantize(n.conv("s", s, (19, 19, 1, 1), scales(19, .01), bias(19)), "s", .03, 5, i8)
    s = n.quantize(n.node("HardSigmoid", [s], "gate", alpha=.2, beta=.5), "gate", 1 / 255, -128, i8)
    a = n.quantize(n.node("Mul", [a, s], "channels"), "channels", .022, 7, i8)
    g = n.quantize(n.conv("g", a, (1, 19, 3, 3), scales(1, .006), bias(1), pads=[1, 1, 1, 1]), "g", .03, 3, i8)
    g = n.quantize(n.node("Sigmoid", [g], "sigmoid"), "sigmoid", 1 / 255, -126, i8)
    p = n.quantize(n.node("Mul", [g, a], "pixels"), "pixels", .017, -3, i8)
    p = n.quantize(n.node("Add", [p, a], "add"), "add", .031, 11, i8)
    # Ties that go to even with an odd zero point added; and one behind a convolution of its own.
    t = n.quantize(n.conv("t", p, (19, 19, 1, 1), scales(19, .003), bias(19)), "t", 2 ** -6, 5, i8)
    u = n.quantize(n.node("MaxPool", [t], "columns", kernel_shape=[5, 1]), "columns", 2 ** -6, 5, i8)
    t = n.quantize(n.node("Mul", [t, u], "ties"), "ties", 2 ** -5, 13, i8)
    # float32 rounds one factor of two.
    v = n.quantize(n.conv("v", t, (19, 19, 1, 1), scales(19, .003), bias(19)), "v", .019, -7, i8, [1])
    w = n.quantize(n.conv("w", t, (19, 19, 1, 1), scales(19, .003), bias(19)), "w", 2 ** -6, 3, i8, [1])
    y = n.quantize(n.node("Mul", [v, w], "first"), "first", .019 / 2, 1, i8, [1])
    y = n.quantize(n.node("Mul", [w, y], "second"), "second", .019 / 4, -9, i8, [1])
    n.save(HERE / "product.onnx", [1, 3, 5, 6], y, [1, 19, 5, 6])


def nine():
    n = Net(9)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-6000, 6001, count)
    i8 = np.int8
    x = n.quantize("x", "x", .02, -11, i8)
    a = n.quantize(n.conv("a", x, (13, 3, 3, 3), scales(13, .004), bias(13), pads=[1, 1, 1, 1]), "a", .03, 9, i8)
    b = n.conv("b", a, (13, 1, 3, 3), scales(13, .007), bias(13), group=13, pads=[1, 1, 1, 1])
    b = n.quantize(b, "b", .04, -7, i8)
    c = n.quantize(n.node("MaxPool", [b], "max", kernel_shape=[3, 2], pads=[1, 0, 1, 1]), "max", .04, -7, i8)
    d = n.quantize(n.conv("d", c, (13, 13, 3, 3), scales(13, .003), bias(13), pads=[1, 1, 1, 1]), "d", .06, 8, i8)
    d = n.quantize(n.node("Add", [c, d], "add"), "add", .07, 5, i8)
    e = n.conv("e", d, (13, 1, 3, 3), scales(13, .008), bias(13), group=13, strides=[2, 2], pads=[1, 1, 1, 1])
    e = n.quantize(e, "e", .08, -19, i8)
    f = n.conv("f", e, (16, 13, 3, 3), scales(16, .003), bias(16), strides=[2, 2], pads=[0, 1, 1, 0])
    f = n.quantize(f, "f", .09, 3, i8)
    n.save(HERE / "nine.onnx", [1, 3, 40, 22], f, [1, 16, 10, 5])


def ten():
    n = Net(10)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-6000, 6001, count)
    i8 = np.int8

    def conv(name, x, shape, zero, **attributes):
        y = n.conv(name, x, shape, scales(shape[0], .003), bias(shape[0]), **attributes)
        return n.quantize(y, name, .05, zero, i8)

    def add(name, a, b):
        return n.quantize(n.node("Add", [a, b], name), name, .06, -3, i8)

    x = n.quantize("x", "x", .02, -11, i8)
    a = conv("a", x, (12, 3, 3, 3), 9, pads=[1, 1, 1, 1])
    b = conv("b", a, (16, 12, 3, 3), -4, strides=[2, 2], pads=[1, 1, 1, 1])
    c = conv("c", b, (40, 16, 3, 3), 2, pads=[1, 1, 1, 1])
    d = conv("d", c, (16, 40, 3, 3), 7, pads=[1, 1, 1, 1])
    d = add("sum", d, b)
    e = conv("e", a, (16, 12, 1, 1), 11, strides=[2, 2])
    d = add("sum2", d, e)
    f = conv("f", d, (24, 16, 3, 3), -8, strides=[2, 2], pads=[1, 1, 1, 1])
    n.save(HERE / "ten.onnx", [1, 3, 32, 24], f, [1, 24, 8, 6])


def eleven():
    n = Net(11)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-6000, 6001, count)
    i8 = np.int8

    def depthwise(name, x, kernel, scale, zero, outputs=24, **attributes):
        y = n.conv(name, x, (outputs, 1, *kernel), scales(outputs, .004), bias(outputs), group=24, **attributes)
        return n.quantize(y, name, scale, zero, i8)

    x = n.quantize("x", "x", .02, -11, i8)
    a = n.quantize(n.conv("a", x, (24, 3, 1, 1), scales(24, .004), bias(24)), "a", .03, 9, i8)
    b = depthwise("b", a, (5, 5), .04, -7, pads=[2, 2, 2, 2])
    b = n.quantize(n.node("Add", [a, b], "add"), "add", .042, 5, i8)
    c = depthwise("c", b, (7, 7), .06, 13, pads=[3, 3, 3, 3])
    d = depthwise("d", c, (5, 5), .08, -4, strides=[2, 2], pads=[2, 1, 1, 2])
    e = depthwise("e", d, (3, 3), .1, 8, dilations=[2, 3], pads=[2, 3, 2, 3])
    f = depthwise("f", e, (5, 2), .12, -19, dilations=[2, 1], pads=[4, 0, 3, 1])
    g = depthwise("g", f, (3, 3), .13, 21, outputs=48, pads=[1, 1, 1, 1])
    g = n.quantize(n.node("MaxPool", [g], "max", kernel_shape=[2, 2]), "max", .13, 21, i8)
    y = n.quantize(n.conv("h", g, (11, 48, 1, 1), scales(11, .003), bias(11)), "h", .11, 3, i8)
    n.save(HERE / "eleven.onnx", [1, 3, 26, 15], y, [1, 11, 11, 6])


def thirteen():
    n = Net(13)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-6000, 6001, count)
    i8 = np.int8
    x = n.quantize("x", "x", .02, -11, i8)
    a = n.quantize(n.conv("a", x, (24, 3, 3, 3), scales(24, .004), bias(24), pads=[1, 1, 1, 1]), "a", .03, 9, i8)
    b = n.quantize(n.conv("b", a, (40, 24, 3, 3), scales(40, .003), bias(40), pads=[1, 1, 1, 1]), "b", .06, -7, i8)
    b = n.quantize(n.node("MaxPool", [b], "max", kernel_shape=[2, 2], strides=[2, 2]), "max", .06, -7, i8)
    y = n.quantize(n.conv("c", b, (11, 40, 3, 3), scales(11, .003), bias(11)), "c", .11, 3, i8)
    n.save(HERE / "thirteen.onnx", [1, 3, 16, 8], y, [1, 11, 6, 2])


def ends():
    n = Net(11)
    scales = lambda count, base: base * n.rng.uniform(.6, 1.6, count)
    bias = lambda count: n.rng.integers(-6000, 6001, count)
    u8 = np.uint8
    x = n.quantize("x", "x", .02, 100, u8)
    y = n.quantize("y", "y", .0313, 141, u8)
    a = n.conv("a", x, (7, 3, 3, 3), scales(7, .004), bias(7), strides=[2, 1], pads=[1, 1, 1, 1])
    a = n.quantize(a, "a", .0413, 121, u8)
    b = n.quantize(n.conv("b", y, (7, 7, 3, 2), scales(7, .004), bias(7), pads=[1, 0, 1, 1]), "b", .0517, 90, u8)
    s = n.quantize(n.node("Add", [a, b], "add"), "add", .0619, 117, u8)
    c = n.quantize(n.conv("c", s, (7, 7, 1, 1), scales(7, .003), bias(7)), "c", .0437, 131, u8)
    s = n.quantize(n.node("Add", [c, y], "late"), "late", .0471, 120, u8)
    d = n.quantize(n.conv("d", s, (19, 7, 3, 3), scales(19, .003), bias(19), strides=[2, 2]), "d", .05, -9, np.int8)
    n.save_ends(HERE / "ends.onnx", [("x", [1, 3, 9, 6]), ("y", [1, 7, 5, 6])], [(a, [1, 7, 5, 6]), (d, [1, 19, 2, 2])])


def argmax():
    n = Net(11)
    x = n.quantize("x", "x", .02, -11, np.int8)
    # Coarse steps: many channels are equal.
    a = n.conv("a", x, (19, 3, 3, 3), n.rng.uniform(.003, .006, 19), n.rng.integers(-6000, 6001, 19), pads=[1, 1, 1, 1])
    a = n.quantize(a, "a", 1.1, -1, np.int8)
    n.nodes.append(helper.make_node("TopK", [a, n.constant(np.array([1], np.int64))], ["y", "place"], axis=1, largest=0))
    n.save_ends(HERE / "argmax.onnx", [("x", [1, 3, 4, 5])], [("y", [1, 1, 4, 5]), ("place", [1, 1, 4, 5], TensorProto.INT64)])


def softmax():
    n = Net(12)
    x = n.quantize("x", "x", .02, 100, np.uint8)
    a = n.conv("a", x, (5, 3, 3, 3), n.rng.uniform(.003, .006, 5), n.rng.integers(-6000, 6001, 5), pads=[1, 1, 1, 1])
    a = n.quantize(a, "a", .07, 121, np.uint8)
    y = n.quantize(n.node("Softmax", [a], "s", axis=1), "y", .0035, 30, np.uint8)
    n.save(HERE / "softmax.onnx", [1, 3, 4, 5], y, [1, 5, 4, 5])


one()
two()
three()
four()
five()
six()
seven()
product()
nine()
ten()
eleven()
thirteen()
ends()
argmax()
softmax()
