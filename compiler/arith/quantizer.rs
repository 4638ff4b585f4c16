//! From a real number to an integer: the rules of ONNX and of QONNX, once.
//!
//! In: a float32 value, scale, zero point and bounds in the file's numbering. Out: the integer. Guarantees: every rule
//! never falls when the value rises; float32 operations are those of the reference, one by one. QONNX's formulas:
//! <https://github.com/fastmachinelearning/qonnx/tree/main/docs/qonnx-custom-ops>, as its Python package computes them.

/// How QONNX makes an integer of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even. Also written HALF_EVEN.
    Round,
    /// Towards infinity.
    Ceil,
    /// Towards minus infinity.
    Floor,
    /// Away from zero.
    Up,
    /// Towards zero. Also written ROUND_TO_ZERO.
    Down,
    /// To nearest, ties away from zero.
    HalfUp,
    /// To nearest, ties towards zero.
    HalfDown,
}

impl Rounding {
    /// By QONNX's name, in capitals or not.
    pub fn of_name(name: &str) -> Option<Rounding> {
        Some(match name.to_uppercase().as_str() {
            "ROUND" | "HALF_EVEN" => Rounding::Round,
            "CEIL" => Rounding::Ceil,
            "FLOOR" => Rounding::Floor,
            "UP" => Rounding::Up,
            "DOWN" | "ROUND_TO_ZERO" => Rounding::Down,
            "HALF_UP" => Rounding::HalfUp,
            "HALF_DOWN" => Rounding::HalfDown,
            _ => return None,
        })
    }

    /// QONNX's name.
    pub fn name(self) -> &'static str {
        match self {
            Rounding::Round => "ROUND",
            Rounding::Ceil => "CEIL",
            Rounding::Floor => "FLOOR",
            Rounding::Up => "UP",
            Rounding::Down => "DOWN",
            Rounding::HalfUp => "HALF_UP",
            Rounding::HalfDown => "HALF_DOWN",
        }
    }

    /// An integer as float32.
    pub fn apply(self, v: f32) -> f32 {
        let magnitude = v.abs();
        let signed = |m: f32| if v < 0.0 { -m } else { m };
        match self {
            Rounding::Round => v.round_ties_even(),
            Rounding::Ceil => v.ceil(),
            Rounding::Floor => v.floor(),
            Rounding::Up => signed(magnitude.ceil()),
            Rounding::Down => v.trunc(),
            // The sum is rounded to float32 before floor and ceiling.
            Rounding::HalfUp => signed((magnitude + 0.5).floor()),
            Rounding::HalfDown => signed((magnitude - 0.5).ceil()),
        }
    }
}

/// QONNX Trunc: low bits of an integer are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truncation {
    /// Scale of what is truncated.
    pub scale: f32,
    /// Its zero point.
    pub zero_point: f32,
    /// A power of two.
    pub divisor: f32,
    /// Of the quotient.
    pub rounding: Rounding,
}

/// How a real becomes an integer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// ONNX QuantizeLinear: saturate(rne(x / scale) + zero point).
    Onnx,
    /// QONNX Quant: round(clamp(x / scale + zero point)).
    Quant(Rounding),
    /// QONNX Quant of one signed bit: 1 where x / scale + zero point is at least 0, else -1.
    Sign,
    /// QONNX BipolarQuant: 1 where x is at least 0, else -1.
    Bipolar,
    /// QONNX Trunc: round(clamp(rne(x / scale + zero point) / divisor)), with the scale and zero point of its operand.
    Trunc(Truncation),
}

/// A rule with its numbers, in the file's numbering.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    /// Real value of one step.
    pub scale: f32,
    /// Integer of real 0.
    pub zero_point: i64,
    /// Least integer.
    pub lo: i64,
    /// Greatest integer.
    pub hi: i64,
    /// The formula.
    pub rule: Rule,
}

impl Quantizer {
    /// The integer of a value; NaN, which the references leave open, becomes the least.
    pub fn apply(&self, x: f32) -> i64 {
        let Quantizer { scale, zero_point, lo, hi, rule } = *self;
        // Zero points and bounds are integers of at most 32 bits; beyond 2^24 float32 rounds them, as the reference does.
        let zero = zero_point as f32;
        let clamped = |v: f32| {
            let v = if v > hi as f32 { hi as f32 } else { v };
            if v < lo as f32 { lo as f32 } else { v }
        };
        let sign = |v: f32| if v >= 0.0 { 1 } else { -1 };
        if x.is_nan() {
            return lo;
        }
        // A saturating conversion of a float32 integer.
        match rule {
            Rule::Onnx => ((x / scale).round_ties_even() as i64).saturating_add(zero_point).clamp(lo, hi),
            Rule::Quant(rounding) => rounding.apply(clamped(x / scale + zero)) as i64,
            Rule::Sign => sign(x / scale + zero),
            Rule::Bipolar => sign(x),
            Rule::Trunc(t) => {
                let whole = (x / t.scale + t.zero_point).round_ties_even();
                t.rounding.apply(clamped(whole / t.divisor)) as i64
            }
        }
    }
}

/// MultiThreshold: the number of its channel's thresholds that an element reaches, scaled and moved.
///
/// Operand x; the result is one of `values`, a float.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The axis of the channels.
    pub axis: usize,
    /// Of each channel, or of all, rising.
    pub thresholds: Vec<Vec<f32>>,
    /// The result by the number of thresholds reached: rising, one more than thresholds.
    pub values: Vec<f32>,
}

impl Threshold {
    /// The value of an element of a channel.
    pub fn value(&self, channel: usize, x: f32) -> f32 {
        let list = &self.thresholds[if self.thresholds.len() == 1 { 0 } else { channel }];
        self.values[list.iter().filter(|t| x >= **t).count()]
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const SHOWN: usize = 16;
        let all: Vec<String> = self.thresholds.iter().flatten().map(f32::to_string).collect();
        let values: Vec<String> = self.values.iter().map(f32::to_string).collect();
        write!(f, "axis {} {} of ", self.axis, self.thresholds.len())?;
        if all.len() > SHOWN {
            write!(f, "{} .. {}", all[0], all[all.len() - 1])?;
        } else {
            write!(f, "{}", all.join(" "))?;
        }
        write!(f, " -> {}", values.join(" "))
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rule::Onnx => write!(f, "ONNX"),
            Rule::Quant(rounding) => write!(f, "{}", rounding.name()),
            Rule::Sign => write!(f, "SIGN"),
            Rule::Bipolar => write!(f, "BIPOLAR"),
            Rule::Trunc(t) => {
                write!(f, "TRUNC {} {} / {} {}", t.scale, t.zero_point, t.divisor, t.rounding.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values around ties, by every rounding; what QONNX's own formulas give.
    #[test]
    fn roundings() {
        let x = [-1.5, -1.2, -0.5, -0.2, 0.2, 0.5, 1.2, 1.5, 2.5];
        let check = |name: &str, expect: [i64; 9]| {
            let rounding = Rounding::of_name(name).expect(name);
            let q = Quantizer { scale: 1.0, zero_point: 0, lo: -2, hi: 3, rule: Rule::Quant(rounding) };
            assert_eq!(x.map(|v| q.apply(v)), expect, "{name}");
        };
        check("ROUND", [-2, -1, 0, 0, 0, 0, 1, 2, 2]);
        check("CEIL", [-1, -1, 0, 0, 1, 1, 2, 2, 3]);
        check("FLOOR", [-2, -2, -1, -1, 0, 0, 1, 1, 2]);
        check("UP", [-2, -2, -1, -1, 1, 1, 2, 2, 3]);
        check("DOWN", [-1, -1, 0, 0, 0, 0, 1, 1, 2]);
        check("ROUND_TO_ZERO", [-1, -1, 0, 0, 0, 0, 1, 1, 2]);
        check("HALF_UP", [-2, -1, -1, 0, 0, 1, 1, 2, 3]);
        check("HALF_DOWN", [-1, -1, 0, 0, 0, 0, 1, 1, 2]);
        assert_eq!(Rounding::of_name("STOCHASTIC"), None);
    }

    /// The zero point is added before QONNX clamps and rounds, and after ONNX rounds.
    #[test]
    fn order_of_steps() {
        let q = |rule| Quantizer { scale: 2.0, zero_point: 1, lo: 0, hi: 7, rule };
        let quant = Rule::Quant(Rounding::Round);
        // 0.5 + 1 goes to 2; rne(0.5) + 1 is 1.
        assert_eq!([q(Rule::Onnx).apply(1.0), q(quant).apply(1.0)], [1, 2]);
        assert_eq!([q(quant).apply(100.0), q(quant).apply(-100.0)], [7, 0]);
        assert_eq!([-2.1, -2.0, 0.0].map(|v| q(Rule::Sign).apply(v)), [-1, 1, 1]);
        assert_eq!([-0.1, -0.0, 0.0].map(|v| q(Rule::Bipolar).apply(v)), [-1, 1, 1]);
        let t = Truncation { scale: 0.5, zero_point: 0.0, divisor: 4.0, rounding: Rounding::Floor };
        let trunc = Quantizer { scale: 2.0, zero_point: 0, lo: -2, hi: 1, rule: Rule::Trunc(t) };
        assert_eq!([-1.0, -0.5, 1.4, 1.8, 9.0].map(|v| trunc.apply(v)), [-1, -1, 0, 1, 1]);
    }
}
