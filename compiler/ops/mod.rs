//! One ONNX operator per file: import rule, attributes, shapes, meaning.
//!
//! In: nodes of a [`crate::onnx::model::Model`]. Out: the closed set [`Op`]. A rule reads every attribute or the node is
//! refused; what a rule does not understand is refused, never guessed. [`KNOWN`] is the list of rules.

pub mod arg_max;
pub mod average_pool;
pub mod batch_normalization;
pub mod binary;
pub mod cast;
pub mod clip;
pub mod concat;
pub mod constant;
pub mod context;
pub mod conv;
pub mod conv_transpose;
pub mod gather;
pub mod gemm;
pub mod identity;
pub mod import;
pub mod mat_mul;
pub mod max_pool;
pub mod pad;
pub mod qlinear;
pub mod quant;
pub mod quantization;
pub mod quantize_linear;
pub mod quantized;
pub mod reduce_mean;
pub mod reshape;
pub mod resize;
pub mod shape;
pub mod slice;
pub mod softmax;
pub mod space;
pub mod split;
pub mod top_k;
pub mod transpose;
pub mod unary;
pub mod window;

use std::borrow::Cow;

use crate::arith::{Rule, Threshold};
use crate::graph::expression::Expression;
use crate::graph::float::{Fact, is_float};
use crate::graph::int::TableSource;
use crate::graph::prepare::Prepare;
use crate::onnx::model::{DType, Tensor};
use quantization::Params;
use quantized::Kernel;

/// The operators of the float stage. Parameters that ONNX passes as operands (axes, shapes, scales, bounds)
/// are fields here; operands are data and weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A graph input.
    Input,
    /// A constant.
    Const(Tensor),
    /// x, w, optional bias.
    Conv(conv::Conv),
    /// x, w, optional bias.
    ConvTranspose(conv_transpose::ConvTranspose),
    /// a, b, optional c.
    Gemm(gemm::Gemm),
    /// a, b, optional bias per column (added by a pass; ONNX's own MatMul has none).
    MatMul,
    /// a, b.
    Binary(binary::Binary),
    /// x, scale, bias, mean, var; the field is epsilon.
    BatchNormalization(f32),
    /// x. Relu and Clip.
    Clip(clip::Clip),
    /// x. Any other function of one element.
    Unary(unary::Unary),
    /// x.
    MaxPool(max_pool::MaxPool),
    /// x. AveragePool, GlobalAveragePool.
    AveragePool(average_pool::AveragePool),
    /// x. ReduceMean, until a pass makes it an AveragePool.
    Mean(reduce_mean::Mean),
    /// x; the new shape. Reshape, Flatten, Squeeze, Unsqueeze.
    Reshape(Vec<usize>),
    /// x; the permutation.
    Transpose(Vec<usize>),
    /// x. Identity, Dropout.
    Identity,
    /// x: float to floats that are integers times a scale.
    Threshold(Threshold),
    /// x: float to integers.
    Quantize(Params),
    /// x: integers to float.
    Dequantize(Params),
    /// x: accumulators to floats, by a function with constants along the axis. Runs on the host.
    Accumulated(usize, Expression),
    /// The canonical form: integers to integers.
    Quantized(quantized::Quantized),
    /// x; the axis.
    Softmax(usize),
    /// x; the axis.
    LogSoftmax(usize),
    /// x.
    ArgMax(arg_max::ArgMax),
    /// x. Each of its two results.
    TopK(top_k::TopK),
    /// data, indices; the axis. Constants, and on the host before the first QuantizeLinear.
    Gather(usize),
    /// Any number of operands; the axis.
    Concat(usize),
    /// x. Slice, each output of Split, Gather by a list of indices, Resize and Upsample in mode nearest.
    Slice(slice::Slice),
    /// x. DepthToSpace and SpaceToDepth.
    Space(space::Space),
    /// x.
    Pad(pad::Pad),
    /// x. Constants, and what is converted to float before the first QuantizeLinear.
    Cast(DType),
    /// x, the model's input: float operators before QuantizeLinear, as one (made by a pass).
    Prepare(Prepare),
}

impl Op {
    /// The operator's name, ONNX's own where there is one.
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Op::Input => "Input",
            Op::Const(_) => "Constant",
            Op::Conv(_) => "Conv",
            Op::ConvTranspose(_) => "ConvTranspose",
            Op::Gemm(_) => "Gemm",
            Op::MatMul => "MatMul",
            Op::Binary(kind) => kind.name(),
            Op::BatchNormalization(_) => "BatchNormalization",
            Op::Clip(clip::Clip { min: Some(0.0), max: None }) => "Relu",
            Op::Clip(_) => "Clip",
            Op::Unary(f) => f.name,
            Op::MaxPool(_) => "MaxPool",
            Op::AveragePool(p) => match p.origin {
                average_pool::Origin::Pool => "AveragePool",
                average_pool::Origin::Global => "GlobalAveragePool",
                average_pool::Origin::Mean => "ReduceMean",
            },
            Op::Mean(_) => "ReduceMean",
            Op::Reshape(_) => "Reshape",
            Op::Transpose(_) => "Transpose",
            Op::Identity => "Identity",
            Op::Threshold(_) => "MultiThreshold",
            Op::Quantize(p) if p.rule != Rule::Onnx => "Quant",
            Op::Quantize(_) => "QuantizeLinear",
            Op::Dequantize(_) => "DequantizeLinear",
            Op::Accumulated(..) => "Accumulated",
            Op::Quantized(q) => match &q.kernel {
                Kernel::Conv(_) => "QConv",
                Kernel::ConvTranspose(_) => "QConvTranspose",
                Kernel::MatMul { .. } => "QMatMul",
                Kernel::Add(_) => "QAdd",
                Kernel::Mul(_) => "QMul",
                Kernel::Average(..) => "QAverage",
                Kernel::Table(_) => "QTable",
                Kernel::Affine(..) => "QAffine",
                Kernel::Softmax(_) => "QSoftmax",
                Kernel::Concat(_) => "QConcat",
            },
            Op::Softmax(_) => "Softmax",
            Op::LogSoftmax(_) => "LogSoftmax",
            Op::ArgMax(_) => "ArgMax",
            Op::TopK(_) => "TopK",
            Op::Gather(_) => "Gather",
            Op::Concat(_) => "Concat",
            Op::Slice(_) => "Slice",
            Op::Space(s) if s.direction == space::Direction::ToDepth => "SpaceToDepth",
            Op::Space(_) => "DepthToSpace",
            Op::Pad(_) => "Pad",
            Op::Cast(_) => "Cast",
            Op::Prepare(_) => "Prepare",
        })
    }

    /// The ONNX operator that a user knows this as: canonical operators by what they stem from.
    pub fn onnx_name(&self) -> Cow<'static, str> {
        let Op::Quantized(q) = self else { return self.name() };
        Cow::Borrowed(match &q.kernel {
            Kernel::Conv(_) => "Conv",
            Kernel::ConvTranspose(_) => "ConvTranspose",
            Kernel::MatMul { .. } => "MatMul",
            Kernel::Add(form) => form.name(),
            Kernel::Mul(_) => "Mul",
            Kernel::Average(p, _) => return Op::AveragePool(*p).name(),
            Kernel::Table(TableSource::Requantize) => "QuantizeLinear",
            Kernel::Table(TableSource::Clamp(..)) => "Clip",
            Kernel::Table(TableSource::QLinear(name, _) | TableSource::Float(name, _)) => {
                name.trim_start_matches("QLinear")
            }
            Kernel::Table(TableSource::Expression(e)) => e.name().trim_start_matches("QLinear"),
            Kernel::Affine(_, e) => e.name(),
            Kernel::Softmax(_) => "Softmax",
            Kernel::Concat(_) => "Concat",
        })
    }

    /// How many operands the operator takes: least and most.
    pub fn arity(&self) -> (usize, usize) {
        match self {
            Op::Input | Op::Const(_) => (0, 0),
            Op::Conv(_) | Op::ConvTranspose(_) | Op::Gemm(_) | Op::MatMul => (2, 3),
            Op::Binary(_) | Op::Gather(_) => (2, 2),
            Op::BatchNormalization(_) => (5, 5),
            Op::Clip(_)
            | Op::Unary(_)
            | Op::MaxPool(_)
            | Op::AveragePool(_)
            | Op::Mean(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Identity
            | Op::Threshold(_)
            | Op::Quantize(_)
            | Op::Dequantize(_)
            | Op::Accumulated(..)
            | Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::ArgMax(_)
            | Op::TopK(_)
            | Op::Slice(_)
            | Op::Space(_)
            | Op::Pad(_)
            | Op::Cast(_)
            | Op::Prepare(_) => (1, 1),
            Op::Quantized(q) => match &q.kernel {
                Kernel::Conv(_) | Kernel::ConvTranspose(_) | Kernel::MatMul { .. } => (2, 3),
                Kernel::Add(_) | Kernel::Mul(_) => (2, 2),
                Kernel::Average(..) | Kernel::Table(_) | Kernel::Affine(..) | Kernel::Softmax(_) => (1, 1),
                Kernel::Concat(_) => (1, usize::MAX),
            },
            Op::Concat(_) => (1, usize::MAX),
        }
    }

    /// The result's fact from the operands' facts; an error says what does not fit.
    /// [`Op::Input`] has no rule: its fact is given.
    pub fn infer(&self, inputs: &[&Fact]) -> Result<Fact, String> {
        let (min, max) = self.arity();
        if inputs.len() < min || inputs.len() > max {
            return Err(format!("{} operands", inputs.len()));
        }
        let x = || inputs[0];
        let like = |shape: Vec<usize>| Fact::new(x().dtype, shape);
        Ok(match self {
            Op::Input => return Err("an input has no rule".into()),
            Op::Const(t) => Fact::new(t.dtype, t.shape()),
            Op::Conv(c) => like(conv::shape(c, inputs)?),
            Op::ConvTranspose(c) => like(conv_transpose::shape(c, inputs)?),
            Op::Gemm(g) => like(with_bias(gemm::shape(g, &inputs[0].shape, &inputs[1].shape)?, inputs)?),
            Op::MatMul => like(with_bias(mat_mul::shape(&inputs[0].shape, &inputs[1].shape)?, inputs)?),
            Op::Binary(_) => {
                if inputs[0].dtype != inputs[1].dtype {
                    return Err(format!("{} and {}", inputs[0], inputs[1]));
                }
                like(binary::broadcast(&inputs[0].shape, &inputs[1].shape)?)
            }
            Op::BatchNormalization(_) => {
                let channels = x().shape.get(1).copied();
                if inputs[1..].iter().any(|f| Some(f.len()) != channels) {
                    return Err(format!("{} channels and statistics {}", x(), inputs[1]));
                }
                x().clone()
            }
            Op::Clip(_) | Op::Identity => x().clone(),
            Op::Unary(_) | Op::Softmax(_) | Op::LogSoftmax(_) => {
                if !is_float(x().dtype) {
                    return Err(format!("the operand is {}; it has to be a float tensor", x()));
                }
                x().clone()
            }
            Op::MaxPool(p) => {
                let channels = x().shape.get(1).copied().unwrap_or(0);
                like(window::output_shape(&x().shape, channels, &p.window, p.ceil).ok_or_else(|| {
                    format!("the window {} does not fit {}", window::describe(&p.window), x())
                })?)
            }
            Op::AveragePool(p) => like(average_pool::shape(p, &x().shape)?),
            Op::Mean(m) => like(reduce_mean::shape(m, &x().shape)),
            Op::Reshape(shape) => {
                if shape.iter().product::<usize>() != x().len() {
                    return Err(format!("{} does not reshape to {shape:?}", x()));
                }
                like(shape.clone())
            }
            Op::Transpose(perm) => like(transpose::shape(perm, &x().shape)?),
            Op::Threshold(t) => {
                let channels = x().shape.get(t.axis).copied();
                if !is_float(x().dtype) || (t.thresholds.len() != 1 && Some(t.thresholds.len()) != channels) {
                    return Err(format!("thresholds of {} channels for {}", t.thresholds.len(), x()));
                }
                x().clone()
            }
            Op::Accumulated(axis, e) => {
                let channels = x().shape.get(*axis).copied();
                if x().dtype != DType::I32 || !e.constants.iter().all(|c| Some(c.len()) == channels) {
                    return Err(format!("{} with constants along axis {axis}", x()));
                }
                Fact::new(DType::F32, x().shape.clone())
            }
            Op::Quantize(p) => Fact::new(p.dtype, x().shape.clone()),
            Op::Dequantize(p) => {
                if p.dtype != x().dtype {
                    return Err(format!("{} with parameters of {:?}", x(), p.dtype));
                }
                Fact::new(DType::F32, x().shape.clone())
            }
            Op::Quantized(q) => {
                for (p, f) in q.inputs.iter().zip(inputs) {
                    if p.dtype != f.dtype {
                        return Err(format!("operand {f} with parameters of {:?}", p.dtype));
                    }
                }
                let shape = match &q.kernel {
                    Kernel::Conv(c) => conv::shape(c, inputs)?,
                    Kernel::ConvTranspose(c) => conv_transpose::shape(c, inputs)?,
                    Kernel::MatMul { trans_a, trans_b, alpha } => {
                        let y = if *trans_a || *trans_b {
                            let g =
                                gemm::Gemm { alpha: *alpha, beta: 1.0, trans_a: *trans_a, trans_b: *trans_b };
                            gemm::shape(&g, &inputs[0].shape, &inputs[1].shape)?
                        } else {
                            mat_mul::shape(&inputs[0].shape, &inputs[1].shape)?
                        };
                        with_bias(y, inputs)?
                    }
                    Kernel::Add(_) | Kernel::Mul(_) => binary::broadcast(&inputs[0].shape, &inputs[1].shape)?,
                    Kernel::Average(p, _) => average_pool::shape(p, &x().shape)?,
                    Kernel::Table(_) | Kernel::Affine(..) | Kernel::Softmax(_) => x().shape.clone(),
                    Kernel::Concat(at) => concat::shape(*at, &shapes(inputs))?,
                };
                Fact::new(q.output.dtype, shape)
            }
            Op::ArgMax(a) => Fact::new(DType::I64, arg_max::shape(a, &x().shape)?),
            Op::TopK(t) => {
                Fact::new(if t.indices { DType::I64 } else { x().dtype }, top_k::shape(t, &x().shape)?)
            }
            Op::Gather(at) => like(gather::shape(*at, &inputs[0].shape, &inputs[1].shape)?),
            Op::Concat(at) => {
                if let Some(other) = inputs.iter().find(|f| f.dtype != x().dtype) {
                    return Err(format!("{} and {other}", x()));
                }
                like(concat::shape(*at, &shapes(inputs))?)
            }
            Op::Slice(s) => {
                let fits = s.keep.len() == x().shape.len()
                    && s.keep.iter().zip(&x().shape).all(|(k, d)| k.iter().all(|i| i < d));
                if !fits {
                    return Err(format!("the slice does not fit {}", x()));
                }
                like(s.keep.iter().map(Vec::len).collect())
            }
            Op::Space(s) => like(space::shape(s, &x().shape)?),
            Op::Pad(p) => like(pad::shape(p, &x().shape)?),
            Op::Cast(to) => Fact::new(*to, x().shape.clone()),
            Op::Prepare(p) => {
                p.check()?;
                if p.input != x().shape {
                    return Err(format!("{} is prepared as {:?}", x(), p.input));
                }
                Fact::new(DType::F32, p.output())
            }
        })
    }

    /// The value for constant operands, where the operator can be folded. `None` is no fault:
    /// the node stays (DequantizeLinear of a constant stays a quantized constant on purpose).
    pub fn eval(&self, inputs: &[&Tensor]) -> Option<Tensor> {
        match (self, inputs) {
            (Op::Const(t), []) => Some(t.clone()),
            (Op::Unary(f), [x]) => unary::eval(f, x),
            (Op::Binary(kind), [a, b]) => binary::eval(*kind, a, b),
            (Op::Reshape(shape), [x]) => reshape::eval(shape, x),
            (Op::Transpose(perm), [x]) => Some(transpose::eval(perm, x)),
            (Op::Identity, [x]) => Some((*x).clone()),
            (Op::Quantize(p), [x]) => quantize_linear::eval(p, x),
            (Op::Gather(at), [x, i]) => gather::eval(*at, x, i),
            (Op::Concat(at), all) => concat::eval(*at, all),
            (Op::Slice(s), [x]) => slice::eval(s, x),
            (Op::Cast(to), [x]) => cast::eval(*to, x),
            (
                Op::Input
                | Op::Const(_)
                | Op::Conv(_)
                | Op::ConvTranspose(_)
                | Op::Gemm(_)
                | Op::MatMul
                | Op::Binary(_)
                | Op::BatchNormalization(_)
                | Op::Clip(_)
                | Op::Unary(_)
                | Op::MaxPool(_)
                | Op::AveragePool(_)
                | Op::Mean(_)
                | Op::Reshape(_)
                | Op::Transpose(_)
                | Op::Identity
                | Op::Threshold(_)
                | Op::Quantize(_)
                | Op::Dequantize(_)
                | Op::Accumulated(..)
                | Op::Quantized(_)
                | Op::Softmax(_)
                | Op::LogSoftmax(_)
                | Op::ArgMax(_)
                | Op::TopK(_)
                | Op::Gather(_)
                | Op::Slice(_)
                | Op::Space(_)
                | Op::Pad(_)
                | Op::Cast(_)
                | Op::Prepare(_),
                _,
            ) => None,
        }
    }
}

fn shapes<'a>(inputs: &[&'a Fact]) -> Vec<&'a [usize]> {
    inputs.iter().map(|f| f.shape.as_slice()).collect()
}

/// The shape of a product, its bias (operand 2, where there is one) checked.
fn with_bias(y: Vec<usize>, inputs: &[&Fact]) -> Result<Vec<usize>, String> {
    match inputs.get(2) {
        Some(c) => gemm::bias_fits(&c.shape, &y).map(|()| y),
        None => Ok(y),
    }
}

/// One import rule: domain, ONNX operator, rule.
pub struct Known {
    /// "" or "com.microsoft".
    pub domain: &'static str,
    /// ONNX `op_type`.
    pub op_type: &'static str,
    /// The rule.
    pub import: fn(&context::Context<'_>) -> context::Imported,
    /// One line for the operator table in the documentation.
    pub note: &'static str,
}

macro_rules! known {
    ($($domain:literal $op:literal $rule:path, $note:literal;)*) => {
        /// Every operator that has an import rule, by domain and name.
        pub const KNOWN: &[Known] =
            &[$(Known { domain: $domain, op_type: $op, import: $rule, note: $note }),*];
    };
}

known! {
    "" "Abs" unary::import, "table";
    "" "Acos" unary::import, "table";
    "" "Acosh" unary::import, "table";
    "" "Add" binary::import, "residual add, constant bias, or a line of each channel";
    "" "ArgMax" arg_max::import, "in hardware behind the last layer, over channels ([conditions](architecture.md#behind-the-last-layer)); else on the host, at the end";
    "" "Asin" unary::import, "table";
    "" "Asinh" unary::import, "table";
    "" "Atan" unary::import, "table";
    "" "Atanh" unary::import, "table";
    "" "AveragePool" average_pool::import, "any window; where `ceil_mode` adds a window, without `count_include_pad`";
    "" "BatchNormalization" batch_normalization::import, "fused into a float convolution before it; a line of each channel; on the host, at the start";
    "" "BipolarQuant" quant::import_bipolar, "of QONNX, its domain undeclared";
    "" "Cast" cast::import, "constants; on the host, at the start, from uint8 or int8 to float32";
    "" "Ceil" unary::import, "table";
    "" "Celu" unary::import, "table";
    "" "Clip" clip::import, "bounds of the operator before it, or a table";
    "" "Concat" concat::import, "along channels, rows or columns";
    "" "Constant" constant::import, "a tensor or a number";
    "" "ConstantOfShape" constant::import_of_shape, "constants only";
    "" "Conv" conv::import, "1-D and 2-D, constant weights, any group";
    "" "ConvTranspose" conv_transpose::import, "1-D and 2-D, constant weights, any group; the exact sum, which ONNX Runtime makes in float32";
    "" "Cos" unary::import, "table";
    "" "Cosh" unary::import, "table";
    "" "DequantizeLinear" quantize_linear::import_dequantize, "per tensor or per axis";
    "" "DepthToSpace" space::import_to_space, "both modes";
    "" "Div" binary::import, "table, of functions of one tensor and constants, or a line of each channel";
    "" "Dropout" identity::import_dropout, "removed";
    "" "Elu" unary::import, "table";
    "" "Erf" unary::import, "table";
    "" "Exp" unary::import, "table";
    "" "Flatten" reshape::import_flatten, "absorbed into the weights that follow, or the graph's edge";
    "" "Floor" unary::import, "table";
    "" "Gather" gather::import, "constant indices: a list of channels, or evenly rising rows or columns; any on constants, and on the host, at the start";
    "" "Gelu" unary::import_gelu, "table";
    "" "Gemm" gemm::import, "constant weights";
    "" "GlobalAveragePool" average_pool::import_global, "a window of the whole map";
    "" "GlobalMaxPool" max_pool::import_global, "a window of the whole map";
    "" "HardSigmoid" unary::import, "table";
    "" "HardSwish" unary::import, "table";
    "" "Identity" identity::import, "removed";
    "" "IntQuant" quant::import_quant, "of QONNX, its domain undeclared";
    "" "LeakyRelu" unary::import, "table";
    "" "Log" unary::import, "table";
    "" "LogSoftmax" softmax::import_log, "on the host, at the end";
    "" "MatMul" mat_mul::import, "constant weights";
    "" "Max" binary::import, "table, of functions of one tensor and constants; two operands";
    "" "MaxPool" max_pool::import, "1-D and 2-D, any window, `ceil_mode` and dilations too";
    "" "Min" binary::import, "table, of functions of one tensor and constants; two operands";
    "" "Mish" unary::import, "table";
    "" "Mul" binary::import, "product of two tensors, one element for a channel, a row or a column too; of functions of one tensor and constants a table, or a line of each channel";
    "" "MultiThreshold" quant::import_multi_threshold, "of QONNX, its domain undeclared";
    "" "Neg" unary::import, "table";
    "" "Pad" pad::import, "with a constant";
    "" "PRelu" binary::import, "table, with one slope for all channels";
    "" "Pow" binary::import, "table, with a constant float exponent";
    "" "QLinearConv" qlinear::import_conv, "as Conv";
    "" "QLinearMatMul" qlinear::import_mat_mul, "constant weights";
    "" "Quant" quant::import_quant, "of QONNX, its domain undeclared";
    "" "QuantizeLinear" quantize_linear::import_quantize, "per tensor; per axis for constants";
    "" "Reciprocal" unary::import, "table";
    "" "ReduceMean" reduce_mean::import, "over spatial axes, channels first or last";
    "" "Relu" clip::import_relu, "bounds of the operator before it, or a table";
    "" "Reshape" reshape::import, "absorbed into the weights that follow, or the graph's edge, else moved by selections";
    "" "Resize" resize::import, "mode nearest, along rows and columns";
    "" "Round" unary::import, "table";
    "" "Selu" unary::import, "table";
    "" "Shape" shape::import, "folded";
    "" "Shrink" unary::import, "table";
    "" "Sigmoid" unary::import, "table";
    "" "Sign" unary::import, "table";
    "" "Sin" unary::import, "table";
    "" "Sinh" unary::import, "table";
    "" "Slice" slice::import, "constant ranges; along rows and columns in rising steps";
    "" "Softmax" softmax::import, "quantized again: in hardware behind the last layer, over channels ([conditions](architecture.md#behind-the-last-layer)); else on the host, at the end";
    "" "Softplus" unary::import, "table";
    "" "Softsign" unary::import, "table";
    "" "SpaceToDepth" space::import_to_depth, "any block size";
    "" "Split" split::import, "constant sizes";
    "" "Sqrt" unary::import, "table";
    "" "Squeeze" reshape::import_squeeze, "absorbed into the weights that follow, or the graph's edge";
    "" "Sub" binary::import, "of two tensors, a table of functions of one tensor and constants, or a line of each channel";
    "" "Tan" unary::import, "table";
    "" "Tanh" unary::import, "table";
    "" "ThresholdedRelu" unary::import, "table";
    "" "TopK" top_k::import, "one element: in hardware behind the last layer, over channels ([conditions](architecture.md#behind-the-last-layer)); else on the host, at the end; several results sorted";
    "" "Transpose" transpose::import, "absorbed into weights or the graph's edges, else moved by selections (channels to rows or columns: of at most 64 channels)";
    "" "Trunc" quant::import_trunc, "of QONNX, its domain undeclared";
    "" "Unsqueeze" reshape::import_unsqueeze, "absorbed into the weights that follow, or the graph's edge";
    "" "Upsample" resize::import_upsample, "mode nearest";
    "com.microsoft" "DequantizeLinear" quantize_linear::import_dequantize, "per tensor or per axis";
    "com.microsoft" "FastGelu" unary::import, "table; without a bias";
    "com.microsoft" "Gelu" unary::import, "table";
    "com.microsoft" "QGemm" qlinear::import_gemm, "constant weights";
    "com.microsoft" "QLinearAdd" qlinear::import_add, "residual add";
    "com.microsoft" "QLinearAveragePool" average_pool::import_qlinear, "channels first";
    "com.microsoft" "QLinearConcat" qlinear::import_concat, "along channels, rows or columns";
    "com.microsoft" "QLinearGlobalAveragePool" average_pool::import_qlinear_global, "channels first";
    "com.microsoft" "QLinearLeakyRelu" qlinear::import_unary, "table";
    "com.microsoft" "QLinearMul" qlinear::import_mul, "as Mul";
    "com.microsoft" "QLinearSigmoid" qlinear::import_unary, "table";
    "com.microsoft" "QLinearSoftmax" qlinear::import_softmax, "in hardware behind the last layer, over channels ([conditions](architecture.md#behind-the-last-layer)); else on the host, at the end";
    "com.microsoft" "QuantizeLinear" quantize_linear::import_quantize, "per tensor; per axis for constants";
    "com.microsoft" "QuickGelu" unary::import, "table";
    "finn.custom_op.general" "BipolarQuant" quant::import_bipolar, "weights, activations: -1 and 1";
    "finn.custom_op.general" "IntQuant" quant::import_quant, "as Quant";
    "finn.custom_op.general" "MultiThreshold" quant::import_multi_threshold, "behind a layer, and on the host, at the start";
    "finn.custom_op.general" "Quant" quant::import_quant, "1 to 8 bits, every rounding; per axis for weights; 32 bits for biases";
    "finn.custom_op.general" "Trunc" quant::import_trunc, "a table of its operand";
    "onnx.brevitas" "BipolarQuant" quant::import_bipolar, "weights, activations: -1 and 1";
    "onnx.brevitas" "IntQuant" quant::import_quant, "as Quant";
    "onnx.brevitas" "MultiThreshold" quant::import_multi_threshold, "behind a layer, and on the host, at the start";
    "onnx.brevitas" "Quant" quant::import_quant, "1 to 8 bits, every rounding; per axis for weights; 32 bits for biases";
    "onnx.brevitas" "Trunc" quant::import_trunc, "a table of its operand";
    "qonnx.custom_op.general" "BipolarQuant" quant::import_bipolar, "weights, activations: -1 and 1";
    "qonnx.custom_op.general" "IntQuant" quant::import_quant, "as Quant";
    "qonnx.custom_op.general" "MultiThreshold" quant::import_multi_threshold, "behind a layer, and on the host, at the start";
    "qonnx.custom_op.general" "Quant" quant::import_quant, "1 to 8 bits, every rounding; per axis for weights; 32 bits for biases";
    "qonnx.custom_op.general" "Trunc" quant::import_trunc, "a table of its operand";
}
