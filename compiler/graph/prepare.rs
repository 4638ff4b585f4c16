//! Float operators between a model's input and the first integers: what the host runs before the accelerator.
//!
//! In: the operators that lead from one input of the model to one QuantizeLinear. Out: a list of steps, each reading
//! the input, constants and earlier steps, which `exec` runs, `reference` writes as ONNX nodes and `emit` describes.
//! Guarantees, once [`Prepare::check`] has passed: operands exist and every shape follows from theirs.

use ndarray::ArrayD;

use super::expression::{Attributes, Binary};
use crate::arith::{Threshold, host};

/// What a step reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// The model's input.
    Input,
    /// The value of an earlier step.
    Step(usize),
    /// A float constant.
    Constant(ArrayD<f32>),
}

/// One operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// uint8 or int8 to float32, exact. Operand x.
    Cast,
    /// Float arithmetic with ONNX's broadcasting. Operands a, b.
    Arithmetic(Binary),
    /// BatchNormalization with this epsilon. Operands x, scale, bias, mean, variance.
    BatchNormalization(f32),
    /// A float function of each element; Clip's bounds are `min` and `max`. Operand x.
    Function(&'static str, Attributes),
    /// QONNX MultiThreshold. Operand x.
    Threshold(Threshold),
    /// Only the shape changes. Operand x.
    Reshape,
    /// The permutation of axes. Operand x.
    Transpose(Vec<usize>),
    /// For each axis the indices that stay, in order (Slice, Split, Gather). Operand x.
    Take(Vec<Vec<usize>>),
    /// Elements added around; negative numbers cut some off. Operand x.
    Pad {
        /// Before the first element of each axis.
        before: Vec<i64>,
        /// Behind the last.
        after: Vec<i64>,
        /// Their value.
        fill: f32,
    },
    /// Along this axis. One operand or more.
    Concat(usize),
}

/// An operator with its operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The operator.
    pub work: Work,
    /// What it reads.
    pub operands: Vec<Operand>,
    /// ONNX shape of the result, batch axis included.
    pub shape: Vec<usize>,
}

/// The steps, in order; the last one's value is what is quantized.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    /// ONNX shape of the model's input, batch axis (of size 1) included.
    pub input: Vec<usize>,
    /// Never empty.
    pub steps: Vec<Step>,
}

impl Work {
    /// The ONNX operator; Gather and Split are called Slice.
    pub fn name(&self) -> &'static str {
        match self {
            Work::Cast => "Cast",
            Work::Arithmetic(kind) => kind.name(),
            Work::BatchNormalization(_) => "BatchNormalization",
            Work::Function(name, _) => name,
            Work::Threshold(_) => "MultiThreshold",
            Work::Reshape => "Reshape",
            Work::Transpose(_) => "Transpose",
            Work::Take(_) => "Slice",
            Work::Pad { .. } => "Pad",
            Work::Concat(_) => "Concat",
        }
    }
}

impl Step {
    /// Factor and summand of each channel (axis 1) of a BatchNormalization, as ONNX Runtime computes them.
    pub fn factors(&self) -> Option<Vec<(f32, f32)>> {
        let Work::BatchNormalization(epsilon) = self.work else { return None };
        let [_, Operand::Constant(s), Operand::Constant(b), Operand::Constant(m), Operand::Constant(v)] =
            self.operands.as_slice()
        else {
            return None;
        };
        let each = s.iter().zip(b.iter()).zip(m.iter().zip(v.iter()));
        Some(each.map(|((s, b), (m, v))| host::batch_normalization([*s, *b, *m, *v], epsilon)).collect())
    }
}

impl Prepare {
    /// ONNX shape of the result.
    pub fn output(&self) -> &[usize] {
        self.steps.last().map_or(&self.input, |s| &s.shape)
    }

    /// The shape of an operand of step `at`.
    pub fn shape<'a>(&'a self, at: usize, operand: &'a Operand) -> Option<&'a [usize]> {
        match operand {
            Operand::Input => Some(&self.input),
            Operand::Step(n) if *n < at => self.steps.get(*n).map(|s| s.shape.as_slice()),
            Operand::Step(_) => None,
            Operand::Constant(a) => Some(a.shape()),
        }
    }

    /// Whether operands exist and shapes follow from them; an error says where not.
    pub fn check(&self) -> Result<(), String> {
        if self.steps.is_empty() {
            return Err("there is no step".into());
        }
        for (at, step) in self.steps.iter().enumerate() {
            let shapes: Option<Vec<&[usize]>> = step.operands.iter().map(|o| self.shape(at, o)).collect();
            let shapes = shapes.ok_or_else(|| format!("step {at} reads a later one"))?;
            if !fits(&step.work, &shapes, &step.shape) {
                return Err(format!("step {at}, {}: {shapes:?} to {:?}", step.work.name(), step.shape));
            }
        }
        Ok(())
    }
}

fn fits(work: &Work, operands: &[&[usize]], y: &[usize]) -> bool {
    let count = |s: &[usize]| s.iter().product::<usize>();
    match (work, operands) {
        (Work::Cast | Work::Function(..), [x]) => *x == y,
        (Work::Threshold(t), [x]) => {
            let rows = t.thresholds.len();
            *x == y
                && t.axis < y.len()
                && (rows == 1 || rows == y[t.axis])
                && t.thresholds.iter().all(|row| row.len() + 1 == t.values.len())
        }
        (Work::Reshape, [x]) => count(x) == count(y),
        (Work::Arithmetic(_), [a, b]) => {
            let rank = a.len().max(b.len());
            let size = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
            y.len() == rank
                && (0..rank).all(|i| {
                    let (a, b) = (size(a, i), size(b, i));
                    (a == y[i] || a == 1) && (b == y[i] || b == 1) && (a == y[i] || b == y[i])
                })
        }
        (Work::BatchNormalization(_), [x, statistics @ ..]) => {
            statistics.len() == 4 && *x == y && x.len() > 1 && statistics.iter().all(|s| count(s) == x[1])
        }
        (Work::Transpose(perm), [x]) => {
            let mut axes = perm.clone();
            axes.sort_unstable();
            axes.into_iter().eq(0..x.len()) && perm.iter().map(|p| x[*p]).eq(y.iter().copied())
        }
        (Work::Take(keep), [x]) => {
            keep.len() == x.len()
                && keep.iter().zip(*x).all(|(k, d)| k.iter().all(|i| i < d))
                && keep.iter().map(Vec::len).eq(y.iter().copied())
        }
        (Work::Pad { before, after, .. }, [x]) => {
            let size = |i: usize| i64::try_from(x[i]).ok()?.checked_add(before[i])?.checked_add(after[i]);
            [before.len(), after.len(), y.len()] == [x.len(); 3]
                && (0..x.len()).all(|i| size(i).is_some_and(|n| i64::try_from(y[i]) == Ok(n)))
        }
        (Work::Concat(axis), [first, ..]) => {
            let alike = |s: &&[usize]| s.len() == y.len() && (0..y.len()).all(|i| i == *axis || s[i] == y[i]);
            *axis < first.len()
                && operands.iter().all(alike)
                && operands.iter().map(|s| s[*axis]).sum::<usize>() == y[*axis]
        }
        _ => false,
    }
}

/// Elements of a constant, or indices of an axis, that are written out.
const SHOWN: usize = 16;

impl std::fmt::Display for Operand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Operand::Input => write!(f, "x"),
            Operand::Step(n) => write!(f, "${n}"),
            Operand::Constant(a) if a.ndim() == 0 => write!(f, "{}", a.sum()),
            Operand::Constant(a) => {
                write!(f, "{:?}(", a.shape())?;
                if a.len() > SHOWN {
                    let sum = super::text::fnv_of(a.iter().map(|v| v.to_bits().to_string()));
                    return write!(f, "{} elements {sum:016x})", a.len());
                }
                let words: Vec<String> = a.iter().map(f32::to_string).collect();
                write!(f, "{})", words.join(" "))
            }
        }
    }
}

/// `name operands parameters` of each step, separated by semicolons.
impl std::fmt::Display for Prepare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, step) in self.steps.iter().enumerate() {
            let between = if n > 0 { "; " } else { "" };
            write!(f, "{between}{}", step.work.name())?;
            for operand in &step.operands {
                write!(f, " {operand}")?;
            }
            match &step.work {
                Work::Cast | Work::Arithmetic(_) => {}
                Work::BatchNormalization(epsilon) => write!(f, " epsilon {epsilon}")?,
                Work::Function(_, attributes) => {
                    attributes.iter().try_for_each(|(n, v)| write!(f, " {n}={v}"))?;
                }
                Work::Threshold(t) => write!(f, " {t}")?,
                Work::Reshape => write!(f, " to {:?}", step.shape)?,
                Work::Transpose(perm) => write!(f, " by {perm:?}")?,
                Work::Take(keep) => {
                    for k in keep {
                        if k.len() > SHOWN {
                            write!(f, " [{} of {}..]", k.len(), k[0])?;
                        } else {
                            write!(f, " {k:?}")?;
                        }
                    }
                }
                Work::Pad { before, after, fill } => {
                    write!(f, " before {before:?} after {after:?} fill {fill}")?;
                }
                Work::Concat(axis) => write!(f, " axis {axis}")?,
            }
        }
        Ok(())
    }
}
