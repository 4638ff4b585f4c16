//! A function of one quantized element, as the operators that compute it.
//!
//! In: the operators between two 8-bit tensors, where all operands stem from the first one or are constants. Out: a
//! list of steps, each reading x, constants and earlier steps, from which `arith` makes a table, or one for each channel,
//! and `reference` writes ONNX nodes. Integers are canonical (signed); the last step's value is the result.

use crate::arith::{Quantizer, Rule};

/// Elementwise operators of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are ONNX's own")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
    Pow,
    PRelu,
}

impl Binary {
    /// The ONNX name.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "Add",
            Binary::Sub => "Sub",
            Binary::Mul => "Mul",
            Binary::Div => "Div",
            Binary::Min => "Min",
            Binary::Max => "Max",
            Binary::Pow => "Pow",
            Binary::PRelu => "PRelu",
        }
    }
}

/// Name and value of each float attribute.
pub type Attributes = Vec<(&'static str, f32)>;

/// How integers stand for reals: (q - zero_point) * scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real value of one step.
    pub scale: f32,
    /// Canonical integer of real 0.
    pub zero_point: i32,
    /// Add this to a canonical integer to get the file's: 0 for a signed type, 2^(bits-1) for an unsigned one.
    pub offset: i32,
    /// Least and greatest canonical integer.
    pub bounds: (i32, i32),
    /// How a real becomes an integer.
    pub rule: Rule,
}

impl Quantization {
    /// All integers of int8 (offset 0) or uint8 (128), by ONNX's rule.
    pub fn byte(scale: f32, zero_point: i32, offset: i32) -> Quantization {
        Quantization { scale, zero_point, offset, bounds: (-128, 127), rule: Rule::Onnx }
    }

    /// The canonical integer of a real.
    pub fn quantize(&self, x: f32) -> i32 {
        let Quantization { scale, zero_point, offset, bounds: (lo, hi), rule } = *self;
        let of_file = |v: i32| i64::from(v) + i64::from(offset);
        let q = Quantizer { scale, zero_point: of_file(zero_point), lo: of_file(lo), hi: of_file(hi), rule };
        // Within the bounds, which are canonical integers.
        i32::try_from(q.apply(x) - i64::from(offset)).unwrap_or(lo)
    }
}

impl Quantization {
    /// The rule in words, by the file's integers.
    pub fn sentence(&self, x: &str) -> String {
        let of_file = |v: i32| i64::from(v) + i64::from(self.offset);
        let (lo, hi) = (of_file(self.bounds.0), of_file(self.bounds.1));
        let (scale, zero) = (self.scale, of_file(self.zero_point));
        match self.rule {
            Rule::Onnx => {
                format!(
                    "clamp(round_half_even({x} / {scale:?}) + {zero}, {lo}, {hi}), the quotient in float32"
                )
            }
            Rule::Quant(rounding) => format!(
                "clamp({x} / {scale:?} + {zero}, {lo}, {hi}) in float32, rounded by QONNX's {}",
                rounding.name()
            ),
            Rule::Sign => format!("1 where {x} / {scale:?} + {zero} is at least 0, else -1"),
            Rule::Bipolar => format!("1 where {x} is at least 0, else -1"),
            Rule::Trunc(t) => format!(
                "clamp(round_half_even({x} / {:?} + {}) / {}, {lo}, {hi}) in float32, rounded by QONNX's {}",
                t.scale,
                t.zero_point,
                t.divisor,
                t.rounding.name()
            ),
        }
    }
}

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// The function's argument, an integer.
    X,
    /// The value of an earlier step.
    Step(usize),
    /// A float constant.
    Float(f32),
    /// A canonical integer constant.
    Integer(i32),
    /// The channel's element of [`Expression::constants`].
    Channel(usize),
}

/// An integer operand with its meaning.
pub type Quantized = (Operand, Quantization);

/// One operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// DequantizeLinear: integer to float.
    Dequantize(Quantized),
    /// QuantizeLinear: float to integer.
    Quantize(Operand, Quantization),
    /// Integer clamp to canonical bounds.
    Clamp(Quantized, i32, i32),
    /// A float function of one operand.
    Function(&'static str, Attributes, Operand),
    /// The com.microsoft QLinear form of a function of one operand, with the result's quantization.
    QLinearFunction(&'static str, Attributes, Quantized, Quantization),
    /// Float arithmetic.
    Arithmetic(Binary, [Operand; 2]),
    /// BatchNormalization of a float: x, and its channel's factor and summand.
    BatchNormalization([Operand; 3]),
    /// What an accumulator of products stands for: fl32((x - bias) * (scale * weight * alpha)), the product in double precision.
    Accumulated {
        /// The integer, x.
        x: Operand,
        /// An integer that the accumulator holds besides.
        bias: Operand,
        /// Scale of the activations.
        scale: f32,
        /// Scale of the weights.
        weight: Operand,
        /// Gemm's factor.
        alpha: f32,
    },
    /// One of the values, by how many of the thresholds the operand reaches.
    Threshold(Operand, Vec<Operand>, Vec<f32>),
    /// com.microsoft QLinearAdd or QLinearMul, with the result's quantization.
    QLinearArithmetic(Binary, [Quantized; 2], Quantization),
}

impl Step {
    /// What the step reads.
    pub fn operands(&self) -> Vec<Operand> {
        match self {
            Step::Dequantize((x, _))
            | Step::Quantize(x, _)
            | Step::Clamp((x, _), ..)
            | Step::Function(_, _, x)
            | Step::QLinearFunction(_, _, (x, _), _) => vec![*x],
            Step::Arithmetic(_, [a, b]) | Step::QLinearArithmetic(_, [(a, _), (b, _)], _) => vec![*a, *b],
            Step::BatchNormalization(operands) => operands.to_vec(),
            Step::Accumulated { x, bias, weight, .. } => vec![*x, *bias, *weight],
            Step::Threshold(x, thresholds, _) => std::iter::once(x).chain(thresholds).copied().collect(),
        }
    }

    /// The step with other operands.
    #[must_use]
    pub fn map(&self, f: impl Fn(Operand) -> Operand) -> Step {
        let q = |(x, p): Quantized| (f(x), p);
        match self {
            Step::Dequantize(x) => Step::Dequantize(q(*x)),
            Step::Quantize(x, y) => Step::Quantize(f(*x), *y),
            Step::Clamp(x, lo, hi) => Step::Clamp(q(*x), *lo, *hi),
            Step::Function(name, a, x) => Step::Function(name, a.clone(), f(*x)),
            Step::QLinearFunction(name, a, x, y) => Step::QLinearFunction(name, a.clone(), q(*x), *y),
            Step::Arithmetic(kind, [a, b]) => Step::Arithmetic(*kind, [f(*a), f(*b)]),
            Step::BatchNormalization(operands) => Step::BatchNormalization(operands.map(f)),
            Step::Accumulated { x, bias, scale, weight, alpha } => {
                let [x, bias, weight] = [*x, *bias, *weight].map(f);
                Step::Accumulated { x, bias, scale: *scale, weight, alpha: *alpha }
            }
            Step::Threshold(x, thresholds, values) => {
                Step::Threshold(f(*x), thresholds.iter().map(|t| f(*t)).collect(), values.clone())
            }
            Step::QLinearArithmetic(kind, [a, b], y) => Step::QLinearArithmetic(*kind, [q(*a), q(*b)], *y),
        }
    }

    /// The ONNX operator.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Dequantize(_) => "DequantizeLinear",
            Step::Quantize(..) => "QuantizeLinear",
            Step::Clamp(..) => "Clip",
            Step::Function(name, ..) | Step::QLinearFunction(name, ..) => name,
            Step::Arithmetic(kind, _) => kind.name(),
            Step::BatchNormalization(_) => "BatchNormalization",
            Step::Accumulated { .. } => "Accumulated",
            Step::Threshold(..) => "MultiThreshold",
            Step::QLinearArithmetic(Binary::Mul, ..) => "QLinearMul",
            Step::QLinearArithmetic(..) => "QLinearAdd",
        }
    }
}

/// The steps, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expression {
    /// Never empty in a graph.
    pub steps: Vec<Step>,
    /// Constants of several elements: one for each channel of the tensor.
    pub constants: Vec<Vec<f32>>,
}

impl Expression {
    /// The first operator with a constant for each channel, or else the last one that is no conversion: what reports call
    /// the function.
    pub fn name(&self) -> &'static str {
        let of_channels = |s: &&Step| s.operands().iter().any(|o| matches!(o, Operand::Channel(_)));
        if let Some(step) = self.steps.iter().find(of_channels) {
            return step.name();
        }
        let conversion = |s: &&Step| matches!(s, Step::Dequantize(_) | Step::Quantize(..) | Step::Clamp(..));
        self.steps.iter().rev().find(|s| !conversion(s)).map_or("Requantize", Step::name)
    }

    /// The same for a tensor whose channel c is this one's channel `channels[c]`.
    #[must_use]
    pub fn select(&self, channels: &[usize]) -> Expression {
        let chosen = |all: &Vec<f32>| channels.iter().map(|&c| all[c]).collect();
        Expression { steps: self.steps.clone(), constants: self.constants.iter().map(chosen).collect() }
    }
}

/// Elements of a constant that are written out.
const SHOWN: usize = 16;

impl std::fmt::Display for Operand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Operand::X => write!(f, "x"),
            Operand::Step(n) => write!(f, "${n}"),
            Operand::Float(v) => write!(f, "{v}"),
            Operand::Integer(v) => write!(f, "{v}"),
            Operand::Channel(k) => write!(f, "#{k}"),
        }
    }
}

impl std::fmt::Display for Quantization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} +{}", self.scale, self.zero_point, self.offset)?;
        if (self.bounds, self.rule) != ((-128, 127), Rule::Onnx) {
            write!(f, " {}..{} {}", self.bounds.0, self.bounds.1, self.rule)?;
        }
        Ok(())
    }
}

/// `name operands parameters` of each step, then the constants, separated by semicolons.
impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, step) in self.steps.iter().enumerate() {
            let between = if n > 0 { "; " } else { "" };
            write!(f, "{between}{}", step.name())?;
            for x in step.operands() {
                write!(f, " {x}")?;
            }
            match step {
                Step::Dequantize((_, p)) | Step::Quantize(_, p) => write!(f, " by {p}")?,
                Step::Clamp(_, lo, hi) => write!(f, " {lo} {hi}")?,
                Step::Function(_, attributes, _) => {
                    attributes.iter().try_for_each(|(n, v)| write!(f, " {n}={v}"))?;
                }
                Step::QLinearFunction(_, attributes, (_, p), y) => {
                    attributes.iter().try_for_each(|(n, v)| write!(f, " {n}={v}"))?;
                    write!(f, " by {p} to {y}")?;
                }
                Step::Arithmetic(..) | Step::BatchNormalization(_) => {}
                Step::Accumulated { scale, alpha, .. } => {
                    write!(f, " by {scale}")?;
                    if *alpha != 1.0 {
                        write!(f, " alpha {alpha}")?;
                    }
                }
                Step::Threshold(_, _, values) => {
                    values.iter().try_for_each(|v| write!(f, " {v}"))?;
                }
                Step::QLinearArithmetic(_, [(_, a), (_, b)], y) => write!(f, " by {a}, {b} to {y}")?,
            }
        }
        for (k, constant) in self.constants.iter().enumerate() {
            if constant.len() > SHOWN {
                let sum = super::text::fnv_of(constant.iter().map(|v| v.to_bits().to_string()));
                write!(f, "; #{k} = ({} elements {sum:016x})", constant.len())?;
            } else {
                let words: Vec<String> = constant.iter().map(f32::to_string).collect();
                write!(f, "; #{k} = ({})", words.join(" "))?;
            }
        }
        Ok(())
    }
}
