//! The integer stage: what the executor runs, the planner maps and the canonical ONNX export writes.
//!
//! Every value is one sample's tensor of canonical signed integers in channel, row, column order (`[c, h, w]`);
//! uint8 tensors of the file are stored minus 128, their zero points too. All arithmetic between an [`IntOp::Input`]
//! and an [`IntOp::Output`] is integer; the `f32` scales that remain here are the *specification* (ONNX Runtime's
//! formula, see `arith`), which `quant` replaces by proved integer lanes.

use ndarray::Array4;

use super::expression::{Expression, Quantization};
use super::prepare::Prepare;
use super::{Graph, Port, Stage};
use crate::arith::softmax::SoftmaxSpec;
use crate::arith::{AddSpec, AverageSpec, ProductSpec, RescaleSpec};

/// The integer stage.
#[derive(Clone, Copy, Debug)]
pub struct Int;

impl Stage for Int {
    type Op = IntOp;
    type Fact = QFact;
}

/// The canonical integer graph.
pub type IntGraph = Graph<Int>;

/// What is known of an integer value.
#[derive(Clone, Debug, PartialEq)]
pub struct QFact {
    /// Channels, rows, columns of one sample.
    pub shape: [usize; 3],
    /// Bit width, 1 to 8; the value lies in -2^(bits-1) ..= 2^(bits-1)-1.
    pub bits: u8,
    /// Real value of one step.
    pub scale: f32,
    /// The canonical (signed) integer that stands for real 0.
    pub zero_point: i32,
    /// Add this to a canonical integer to get the file's: 0 for int8, 128 for uint8.
    pub source_offset: i32,
}

impl QFact {
    /// Elements of one sample.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// Whether a sample has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A convolution window: kernel, strides, dilations as (rows, columns); pads as top, left, bottom, right,
/// as in the ONNX `Conv`, `MaxPool` and `AveragePool` specifications with `auto_pad` resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// Steps between output positions.
    pub strides: [usize; 2],
    /// Steps between taps.
    pub dilations: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// A 1x1 window.
    pub const POINT: Window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };

    /// Output size along axis `d` (0 rows, 1 columns) of an input of `size`; `None` where the window does not fit.
    ///
    /// floor((in + pads - extent) / stride) + 1, or ceil; with ceil a last window that would start in the
    /// trailing padding is dropped (as the ONNX specification and ONNX Runtime have it).
    pub fn output(&self, size: usize, d: usize, ceil: bool) -> Option<usize> {
        let extent = self.dilations[d] * (self.kernel[d] - 1) + 1;
        let padded = size + self.pads[d] + self.pads[d + 2];
        let room = padded.checked_sub(extent)?;
        let stride = self.strides[d];
        if !ceil {
            return Some(room / stride + 1);
        }
        let n = room.div_ceil(stride) + 1;
        Some(if (n - 1) * stride >= size + self.pads[d] { n - 1 } else { n })
    }
}

/// Convolution, and every Gemm and MatMul with constant weights (a Gemm over a flattened map is a convolution
/// whose kernel is the whole map; layout changes before it are absorbed into its weights).
///
/// acc[o] = sum over taps of (x - zx) * weight[o, i, kh, kw] + bias[o], int32; pads contribute 0.
/// y[o] = rescale(acc[o]).
#[derive(Clone, Debug)]
pub struct Conv {
    /// Window; `groups` below. The result may have fewer rows and columns than fit: the last ones are left out then.
    pub window: Window,
    /// ONNX `group`.
    pub groups: usize,
    /// `[out, in / groups, kh, kw]`, the weight zero point already subtracted: -255 ..= 255.
    pub weight: Array4<i16>,
    /// One int32 per output channel.
    pub bias: Vec<i32>,
    /// Accumulator to output integer.
    pub rescale: RescaleSpec,
    /// Weight scale, one or one per output channel: for the export and the report only.
    pub weight_scale: Vec<f32>,
    /// Which operator it is.
    pub form: ConvForm,
}

/// Which operator a convolution reproduces.
#[derive(Clone, Debug, PartialEq)]
pub enum ConvForm {
    /// Conv, Gemm or MatMul: the formula of `rescale`.
    Integer,
    /// Every n-th row and column of an ONNX ConvTranspose, which ONNX Runtime computes in float32: the same formula.
    Transposed,
    /// Float operators with constants for each channel, such as BatchNormalization, between DequantizeLinear and
    /// QuantizeLinear: y[c] is the expression of x\[c\], a straight line but for rounding and bounds.
    ///
    /// The window is one element, each channel is a group with a weight of 1, -1 or 0, the sign of its slope; the scale of
    /// `rescale` is the slope's magnitude, from which `quant` finds the lane, and the bias what lies between the line and
    /// one through the zero points, where that is an integer.
    Affine(Expression),
    /// QONNX: y\[c\] is the expression of acc\[c\], the float operators with constants for each channel between a layer on
    /// quantized operands and the next quantizer. It never falls; where the operators do, weights and scale are negated. The
    /// bias is subtracted again by the expression, and the scale of `rescale` is of no meaning.
    Epilogue(Expression),
    /// The accumulator itself: channel c * n + b of the result is its channel's byte b, the least one first, less 256 above
    /// 127; n bytes in all, one output channel for each with the same weights.
    Wide(usize),
}

/// Elementwise addition or subtraction of two tensors of equal shape with different scales.
#[derive(Clone, Debug)]
pub struct Add {
    /// The source operator's formula.
    pub spec: AddSpec,
}

/// Elementwise product of two tensors; b's rows, columns or channels may be one for all of a's.
#[derive(Clone, Debug)]
pub struct Product {
    /// The source operator's formula.
    pub spec: ProductSpec,
}

/// Any unary function of one element, requantization included: `y = table[x + 128]`.
#[derive(Clone, Debug)]
pub struct Table {
    /// Canonical output for each canonical input -128 ..= 127.
    pub table: Box<[i8; 256]>,
    /// The function's ONNX operator, e.g. `Sigmoid` or `Requantize`, with how to write it back as ONNX.
    pub source: TableSource,
}

/// Where a [`Table`] comes from, so that the canonical graph can be exported and run by ONNX Runtime.
#[derive(Clone, Debug, PartialEq)]
pub enum TableSource {
    /// DequantizeLinear then QuantizeLinear with the output's parameters.
    Requantize,
    /// Integer clamp (Relu or Clip on an already quantized tensor), canonical bounds.
    Clamp(i32, i32),
    /// com.microsoft QLinear form of the operator, e.g. `QLinearSigmoid`, with its float attributes.
    QLinear(&'static str, Vec<(&'static str, f32)>),
    /// DequantizeLinear, the standard operator with its float attributes, QuantizeLinear.
    Float(&'static str, Vec<(&'static str, f32)>),
    /// Several operators.
    Expression(Expression),
}

impl TableSource {
    /// The function's name in reports.
    pub fn onnx_name(&self) -> &'static str {
        match self {
            TableSource::Requantize => "Requantize",
            TableSource::Clamp(..) => "Clip",
            TableSource::QLinear(name, _) | TableSource::Float(name, _) => name,
            TableSource::Expression(e) => e.name(),
        }
    }
}

/// Maximum over a window; pads never win. Output parameters equal the input's.
#[derive(Clone, Debug)]
pub struct MaxPool {
    /// Window; output size follows from the output fact's shape (ceil_mode is resolved into it).
    pub window: Window,
}

/// Average over a window (GlobalAveragePool is a window of the whole map).
///
/// acc = sum of (x - zx) over the taps inside the map; y = spec(acc, divisor), with
/// divisor = kernel size if `count_include_pad`, else the number of taps inside the map.
#[derive(Clone, Debug)]
pub struct AveragePool {
    /// Window.
    pub window: Window,
    /// ONNX `count_include_pad`.
    pub count_include_pad: bool,
    /// The source operator's formula.
    pub spec: AverageSpec,
}

/// Elements chosen and placed, values unchanged: Slice, Pad with a constant, Split, a permutation of channels, a Transpose
/// of rows and columns.
///
/// y[c, h, w] = x[channels[c], origin[0] + steps[0] * h, origin[1] + steps[1] * w], or `fill` where `channels[c]` is
/// `None` or the place lies outside x; `exchanged`: y[c, w, h] instead. Output parameters equal the input's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// The source channel of each output channel.
    pub channels: Vec<Option<usize>>,
    /// Row and column of x for y's first ones; negative where y begins with padding.
    pub origin: [i64; 2],
    /// Rows and columns of x from one of y to the next.
    pub steps: [usize; 2],
    /// Canonical integer outside x.
    pub fill: i32,
    /// Rows of x become columns of y, and columns rows.
    pub exchanged: bool,
}

impl Select {
    /// Rows and columns of y, in the order of x's.
    pub fn walk(&self, [_, h, w]: [usize; 3]) -> [usize; 2] {
        if self.exchanged { [w, h] } else { [h, w] }
    }
}

/// Tensors that make up a larger one; all have its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concat {
    /// One after the other along the channels.
    Channels,
    /// Along the rows.
    Rows,
    /// Along the columns.
    Columns,
    /// Operand i * columns + j has the rows i, i + rows, i + 2 * rows ... and the columns j, j + columns ...: `[rows, columns]`.
    Interleave([usize; 2]),
}

/// Where an operand's elements are in the whole: element `[c, h, w]` at `[channel + c, origin[0] + steps[0] * h,
/// origin[1] + steps[1] * w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// First channel.
    pub channel: usize,
    /// First row and column.
    pub origin: [usize; 2],
    /// Rows and columns from one to the next.
    pub steps: [usize; 2],
}

impl Concat {
    /// The place of each operand, and the shape of the whole; `None` if they do not fit together.
    pub fn parts(&self, operands: &[[usize; 3]]) -> Option<(Vec<Part>, [usize; 3])> {
        let first = *operands.first()?;
        let along = match self {
            Concat::Channels => 0,
            Concat::Rows => 1,
            Concat::Columns => 2,
            Concat::Interleave(steps) => return interleaved(*steps, operands),
        };
        let mut whole = first;
        whole[along] = 0;
        let mut parts = Vec::with_capacity(operands.len());
        for shape in operands {
            if (0..3).any(|d| d != along && shape[d] != first[d]) {
                return None;
            }
            let at = |d: usize| if d == along { whole[along] } else { 0 };
            parts.push(Part { channel: at(0), origin: [at(1), at(2)], steps: [1, 1] });
            whole[along] += shape[along];
        }
        Some((parts, whole))
    }
}

fn interleaved([rows, columns]: [usize; 2], operands: &[[usize; 3]]) -> Option<(Vec<Part>, [usize; 3])> {
    if rows == 0 || columns == 0 || operands.len() != rows * columns {
        return None;
    }
    let sum = |d: usize, of: &mut dyn Iterator<Item = &[usize; 3]>| of.map(|s| s[d]).sum::<usize>();
    let [c, ..] = operands[0];
    let h = sum(1, &mut operands.iter().step_by(columns));
    let w = sum(2, &mut operands.iter().take(columns));
    let mut parts = Vec::with_capacity(operands.len());
    for (n, shape) in operands.iter().enumerate() {
        let origin = [n / columns, n % columns];
        let size = |whole: usize, at: usize, step: usize| whole.checked_sub(at).map(|n| n.div_ceil(step));
        if Some(shape[1]) != size(h, origin[0], rows) || Some(shape[2]) != size(w, origin[1], columns) {
            return None;
        }
        parts.push(Part { channel: 0, origin, steps: [rows, columns] });
    }
    operands.iter().all(|s| s[0] == c).then_some((parts, [c, h, w]))
}

/// How one sample of an ONNX tensor maps to canonical `[c, h, w]` order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrangement {
    /// The ONNX shape, batch axis included (of size 1).
    pub onnx_shape: Vec<usize>,
    /// Canonical element i (row-major `[c, h, w]`) is ONNX element `source[i]` (row-major); `None` means identity.
    pub source: Option<Vec<u32>>,
}

/// An element type of the model's own inputs and outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostType {
    /// float32
    F32,
    /// uint8
    U8,
    /// int8
    I8,
    /// int64 (ArgMax, TopK)
    I64,
}

/// A model input: what the host does before the first integer.
#[derive(Clone, Debug)]
pub struct HostInput {
    /// The ONNX input's type. F32, or any with `prepare`: QuantizeLinear with the fact's scale and zero point, on the
    /// host.
    pub dtype: HostType,
    /// Float operators before QuantizeLinear.
    pub prepare: Option<Prepare>,
    /// What quantizes instead of QuantizeLinear: another rule, or fewer integers than the fact's bits have.
    pub rule: Option<Quantization>,
    /// Layout of what is quantized.
    pub arrangement: Arrangement,
}

impl HostInput {
    /// ONNX shape of one sample of the model's input, batch axis (of size 1) included.
    pub fn shape(&self) -> &[usize] {
        self.prepare.as_ref().map_or(&self.arrangement.onnx_shape, |p| &p.input)
    }
    /// Whether the host quantizes.
    pub fn is_float(&self) -> bool {
        self.dtype == HostType::F32 || self.prepare.is_some()
    }
}

/// One step that the host runs after the accelerator, by ONNX Runtime's formula.
#[derive(Clone, Debug, PartialEq)]
pub enum HostStep {
    /// Bytes on an axis of their own, the last one, to the integer that they are in two's complement, the first one least;
    /// then the float that the expression gives, with a constant for each index of an axis.
    Accumulator {
        /// Bytes of an integer.
        bytes: usize,
        /// The channels' axis of the ONNX shape.
        axis: usize,
        /// From the integer to a float.
        expression: Expression,
    },
    /// DequantizeLinear with (scale, the file's zero point).
    Dequantize(f32, i32),
    /// QuantizeLinear with (scale, the file's zero point, signed).
    Quantize(f32, i32, bool),
    /// A float function of each element: the ONNX operator and its float attributes (Clip's bounds are `min`, `max`).
    /// It is known to the bit for each value that reaches it.
    Function(&'static str, Vec<(&'static str, f32)>),
    /// Float Softmax over an axis of the ONNX shape.
    Softmax(usize),
    /// Float LogSoftmax over an axis of the ONNX shape.
    LogSoftmax(usize),
    /// com.microsoft QLinearSoftmax over an axis: input (scale, zero point), output (scale, zero point), signed.
    QLinearSoftmax {
        /// Axis of the ONNX shape.
        axis: usize,
        /// Input scale and the file's zero point.
        input: (f32, i32),
        /// Output scale and the file's zero point.
        output: (f32, i32),
        /// int8 (else uint8).
        signed: bool,
    },
    /// ArgMax over an axis, keeping the dimension or not, last index wins or not.
    ArgMax {
        /// Axis of the ONNX shape.
        axis: usize,
        /// ONNX `keepdims`.
        keepdims: bool,
        /// ONNX `select_last_index`.
        select_last_index: bool,
    },
    /// The k greatest or least elements of an axis in their order, the first of equal ones first.
    TopK {
        /// Axis of the ONNX shape.
        axis: usize,
        /// How many; at least 1.
        k: usize,
        /// The greatest, else the least.
        largest: bool,
        /// Their indices, else the elements.
        indices: bool,
    },
    /// Only the shape changes.
    Reshape(Vec<usize>),
}

/// A model output: the steps after the last integer.
#[derive(Clone, Debug)]
pub struct HostOutput {
    /// The ONNX output's type.
    pub dtype: HostType,
    /// Layout of the integer tensor.
    pub arrangement: Arrangement,
    /// What follows, in order: all of it, wherever it is computed.
    pub steps: Vec<HostStep>,
    /// The first of these steps in hardware, and what is left for the host; `None`: the host does all.
    pub head: Option<Head>,
}

/// The accelerator's last unit, behind the integer tensor, as one output sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The unit; the same for every output of a tensor.
    pub unit: HeadUnit,
    /// What of its result this output is made of.
    pub part: HeadPart,
    /// ONNX shape of that.
    pub shape: Vec<usize>,
    /// What the host does with it.
    pub steps: Vec<HostStep>,
}

/// A unit that takes the tensor's bytes in the stream's order (row, column, channel), `length` of them at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeadUnit {
    /// The place of the greatest or least element: 1 byte, or 2 little-endian ones above 256 elements.
    ArgMax {
        /// Elements of a group.
        length: usize,
        /// The last of equal ones, else the first.
        last: bool,
        /// The least, else the greatest.
        least: bool,
        /// The element itself is sent before its place.
        value: bool,
    },
    /// As many bytes as it takes.
    Softmax(SoftmaxSpec),
}

/// A part of a unit's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadPart {
    /// The place of the element, int64.
    Index,
    /// The element, in the tensor's own integers.
    Value,
    /// The whole tensor, in the unit's output integers.
    Tensor,
}

impl HeadUnit {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            HeadUnit::ArgMax { .. } => "ArgMax",
            HeadUnit::Softmax(_) => "Softmax",
        }
    }
    /// Elements of a group.
    pub fn length(&self) -> usize {
        match self {
            HeadUnit::ArgMax { length, .. } => *length,
            HeadUnit::Softmax(spec) => spec.length,
        }
    }
    /// Bytes sent for a group.
    pub fn bytes(&self) -> usize {
        match self {
            HeadUnit::ArgMax { length, value, .. } => usize::from(*value) + if *length > 256 { 2 } else { 1 },
            HeadUnit::Softmax(spec) => spec.length,
        }
    }
}

/// The unit behind a tensor that outputs read, if there is one.
pub fn head_of(graph: &IntGraph, port: Port) -> Option<HeadUnit> {
    graph.ids().into_iter().find_map(|id| match &graph.node(id).op {
        IntOp::Output(output) if graph.inputs(id).contains(&port) => output.head.as_ref().map(|h| h.unit),
        _ => None,
    })
}

/// The operators of the integer stage. Exhaustive: a new kernel is a new arm.
#[derive(Clone, Debug)]
pub enum IntOp {
    /// No operands; one output.
    Input(HostInput),
    /// Operand x.
    Conv(Conv),
    /// Operands a, b.
    Add(Add),
    /// Operands a, of the result's shape, and b.
    Product(Product),
    /// Operand x.
    Table(Table),
    /// Operand x.
    MaxPool(MaxPool),
    /// Operand x.
    AveragePool(AveragePool),
    /// Operand x.
    Select(Select),
    /// One operand or more.
    Concat(Concat),
    /// Operand x; no outputs. Listed in order of the model's outputs.
    Output(HostOutput),
}
