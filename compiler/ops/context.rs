//! What an import rule sees of its node: attributes (each consumed, or the node is refused), operand facts, constants.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::diag::{Code, Diagnostic, code};
use crate::graph::float::Fact;
use crate::onnx::model::{Attribute, DType, ModelNode, Tensor, TensorData};

use super::Op;
use super::quantization::{self, Params};
use super::reshape;

/// The result of an import rule.
pub type Imported = Result<Rule, Diagnostic>;

/// What an import rule makes of a node: the operator and which ONNX operands stay edges, in order.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The typed operator.
    pub op: Op,
    /// ONNX operand numbers that become the operator's operands.
    pub operands: Vec<usize>,
    /// Operators of one operand that come first, each reading the one before; `op` reads the last.
    pub before: Vec<Op>,
    /// For nodes with several outputs: the operators that make the others, of the same operands.
    pub further: Vec<Op>,
}

impl Rule {
    /// An operator of the first `n` ONNX operands.
    pub fn first(op: impl Into<Op>, n: usize) -> Imported {
        Ok(Rule { op: op.into(), operands: (0..n).collect(), before: vec![], further: vec![] })
    }
    /// Operators of the first ONNX operand, one after the other.
    pub fn chain(before: Vec<Op>, last: Op) -> Imported {
        Ok(Rule { op: last, operands: vec![0], before, further: vec![] })
    }
    /// An operator of the operands listed.
    pub fn of(op: impl Into<Op>, operands: &[usize]) -> Imported {
        Ok(Rule { op: op.into(), operands: operands.to_vec(), before: vec![], further: vec![] })
    }
}

/// One node while it is imported.
pub struct Context<'a> {
    /// The node of the file.
    pub node: &'a ModelNode,
    /// Version of the node's operator set.
    pub opset: i64,
    /// Facts of the operands; `None` for an absent optional one.
    pub facts: Vec<Option<Fact>>,
    /// Values of the operands that are constant.
    pub constants: Vec<Option<Tensor>>,
    left: RefCell<BTreeMap<&'a str, &'a Attribute>>,
}

impl<'a> Context<'a> {
    /// A context with every attribute unread.
    pub fn new(
        node: &'a ModelNode,
        opset: i64,
        facts: Vec<Option<Fact>>,
        constants: Vec<Option<Tensor>>,
    ) -> Self {
        let left = node.attributes.iter().map(|(k, v)| (k.as_str(), v)).collect();
        Context { node, opset, facts, constants, left: RefCell::new(left) }
    }

    /// Whether an optional operand is there.
    pub fn has(&self, i: usize) -> bool {
        self.facts.get(i).is_some_and(Option::is_some)
    }
    /// How many operands the node lists (absent trailing ones not counted).
    pub fn arity(&self) -> usize {
        self.facts.iter().rposition(Option::is_some).map_or(0, |i| i + 1)
    }
    /// Refuses a node with fewer than `min` or more than `max` operands.
    pub fn arity_within(&self, min: usize, max: usize) -> Result<(), Diagnostic> {
        let n = self.arity();
        if n < min || n > max {
            return Err(self.invalid(format!("it has {n} operands; {min} to {max} are allowed")));
        }
        (0..min).try_for_each(|i| self.fact(i).map(drop))
    }
    /// The fact of a required operand.
    pub fn fact(&self, i: usize) -> Result<&Fact, Diagnostic> {
        self.facts
            .get(i)
            .and_then(Option::as_ref)
            .ok_or_else(|| self.invalid(format!("operand {i} is missing")))
    }
    /// The value of an operand that has to be constant, if the operand is there.
    pub fn constant(&self, i: usize) -> Result<Option<&Tensor>, Diagnostic> {
        if !self.has(i) {
            return Ok(None);
        }
        match self.constants.get(i).and_then(Option::as_ref) {
            Some(t) => Ok(Some(t)),
            None => Err(self.operand(i, "it has to be a constant here")),
        }
    }
    /// A required constant operand.
    pub fn required(&self, i: usize) -> Result<&Tensor, Diagnostic> {
        self.fact(i)?;
        self.constant(i)?.ok_or_else(|| self.invalid(format!("operand {i} is missing")))
    }
    /// The integers of a constant operand, if the operand is there.
    pub fn constant_ints(&self, i: usize) -> Result<Option<Vec<i64>>, Diagnostic> {
        match self.constant(i)? {
            None => Ok(None),
            Some(Tensor { data: TensorData::Int(v), .. }) => Ok(Some(v.iter().copied().collect())),
            Some(_) => Err(self.operand(i, "it has to be an integer tensor")),
        }
    }
    /// The one float of a constant operand, if the operand is there.
    pub fn constant_float(&self, i: usize) -> Result<Option<f32>, Diagnostic> {
        match self.constant(i)? {
            None => Ok(None),
            Some(t) if t.dtype != DType::F32 => Err(self.operand(i, "it has to be a float32 tensor")),
            Some(Tensor { data: TensorData::Float(v), .. }) if v.len() == 1 => {
                Ok(v.iter().next().map(|&v| v as f32))
            }
            Some(_) => Err(self.operand(i, "it has to hold one element")),
        }
    }
    /// Quantization parameters from a scale operand and an optional zero point operand of tensor `dims`.
    pub fn params(
        &self,
        scale: usize,
        zero_point: usize,
        dtype: DType,
        dims: &[usize],
        axis: i64,
    ) -> Result<Params, Diagnostic> {
        let zero = self.constant(zero_point)?;
        quantization::params(self.required(scale)?, zero, dtype, dims, axis).map_err(|d| d.at(self.label()))
    }

    /// As [`Context::params`], where a zero point of one element holds for all scales, and leading axes of size 1 do
    /// not count: the weights of QLinearConv and QLinearMatMul.
    pub fn weight_params(
        &self,
        scale: usize,
        zero_point: usize,
        dtype: DType,
        dims: &[usize],
        axis: i64,
    ) -> Result<Params, Diagnostic> {
        let flat = |t: &Tensor| match t.shape() {
            [rows @ .., n] if rows.iter().all(|d| *d == 1) => reshape::eval(&[*n], t),
            _ => None,
        };
        let scale = self.required(scale)?;
        let scale = if scale.shape().len() > 1 { flat(scale) } else { None }.unwrap_or_else(|| scale.clone());
        let zero = self.constant(zero_point)?.map(|z| {
            let z = if z.shape().len() > 1 { flat(z) } else { None }.unwrap_or_else(|| z.clone());
            match &z.data {
                TensorData::Int(v) if v.len() == 1 => {
                    let same = v.iter().next().copied().unwrap_or(0);
                    let data = TensorData::Int(ndarray::ArrayD::from_elem(scale.shape(), same));
                    Tensor { dtype: z.dtype, data }
                }
                TensorData::Int(_) | TensorData::Float(_) => z,
            }
        });
        quantization::params(&scale, zero.as_ref(), dtype, dims, axis).map_err(|d| d.at(self.label()))
    }

    fn take(&self, name: &str) -> Option<&'a Attribute> {
        self.left.borrow_mut().remove(name)
    }
    /// An optional integer attribute.
    pub fn opt_int(&self, name: &str) -> Result<Option<i64>, Diagnostic> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Int(v)) => Ok(Some(*v)),
            Some(other) => Err(self.kind(name, "an integer", other)),
        }
    }
    /// An integer attribute with its default.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, Diagnostic> {
        Ok(self.opt_int(name)?.unwrap_or(default))
    }
    /// An integer attribute that is a switch.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Diagnostic> {
        match self.int(name, i64::from(default))? {
            0 => Ok(false),
            1 => Ok(true),
            v => Err(self.unsupported(name, &v.to_string(), "it has to be 0 or 1")),
        }
    }
    /// A float attribute with its default.
    pub fn float(&self, name: &str, default: f32) -> Result<f32, Diagnostic> {
        match self.take(name) {
            None => Ok(default),
            Some(Attribute::Float(v)) => Ok(*v),
            Some(other) => Err(self.kind(name, "a float", other)),
        }
    }
    /// An optional list of integers.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Diagnostic> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Ints(v)) => Ok(Some(v.clone())),
            Some(other) => Err(self.kind(name, "a list of integers", other)),
        }
    }
    /// An optional list of floats.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Diagnostic> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Floats(v)) => Ok(Some(v.clone())),
            Some(other) => Err(self.kind(name, "a list of floats", other)),
        }
    }
    /// A string attribute with its default.
    pub fn string(&self, name: &str, default: &str) -> Result<String, Diagnostic> {
        match self.take(name) {
            None => Ok(default.to_owned()),
            Some(Attribute::String(v)) => Ok(v.clone()),
            Some(other) => Err(self.kind(name, "a string", other)),
        }
    }
    /// Refuses an attribute of ai.onnx in versions that do not have it.
    pub fn versions(&self, name: &str, have: std::ops::RangeInclusive<i64>) -> Result<(), Diagnostic> {
        let ours = !self.node.domain.is_empty() || have.contains(&self.opset);
        if ours || !self.left.borrow().contains_key(name) {
            return Ok(());
        }
        let when = match (have.start(), have.end()) {
            (since, &i64::MAX) => format!("since opset {since}"),
            (_, until) => format!("up to opset {until}"),
        };
        Err(self.error(
            code::ATTRIBUTE_UNKNOWN,
            format!("attribute `{name}` is not known for {}", self.node.op_type),
            format!("it exists {when}, and this is opset {}", self.opset),
        ))
    }
    /// Any attribute, for rules that accept several kinds.
    pub fn any(&self, name: &str) -> Option<&'a Attribute> {
        self.take(name)
    }
    /// Axes given as an attribute (before opset `since`) or as constant operand `i` (from then on).
    pub fn axes(&self, i: usize, since: i64) -> Result<Option<Vec<i64>>, Diagnostic> {
        self.versions("axes", 1..=since - 1)?;
        if self.opset < since {
            if self.has(i) {
                return Err(self.invalid(format!("its axes are an attribute before opset {since}")));
            }
            return self.ints("axes");
        }
        self.constant_ints(i)
    }
    /// Refuses attributes that no rule has read.
    pub fn finish(&self) -> Result<(), Diagnostic> {
        let left: Vec<_> = self.left.borrow().keys().map(|k| format!("`{k}`")).collect();
        if left.is_empty() {
            return Ok(());
        }
        let (noun, verb, what) =
            if left.len() == 1 { ("attribute", "is", "it") } else { ("attributes", "are", "them") };
        Err(self.error(
            code::ATTRIBUTE_UNKNOWN,
            format!("{noun} {} {verb} not known for {}", left.join(", "), self.node.op_type),
            format!("the rule for {} in opset {} does not read {what}", self.node.op_type, self.opset),
        ))
    }

    /// How diagnostics name the node.
    pub fn label(&self) -> String {
        label(self.node)
    }
    /// A diagnostic at this node.
    pub fn error(&self, code: Code, message: impl Into<String>, cause: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, message, cause).at(self.label())
    }
    /// O2C0100 at this node.
    pub fn invalid(&self, cause: impl Into<String>) -> Diagnostic {
        self.error(code::GRAPH_INVALID, format!("the {} node is not valid", self.node.op_type), cause)
    }
    /// O2C0103 at this node.
    pub fn mismatch(&self, cause: impl Into<String>) -> Diagnostic {
        self.error(code::SHAPE_MISMATCH, format!("the operands of {} do not fit", self.node.op_type), cause)
    }
    /// O2C0201 at this node.
    pub fn unsupported(&self, attribute: &str, value: &str, cause: impl Into<String>) -> Diagnostic {
        self.error(
            code::ATTRIBUTE_UNSUPPORTED,
            format!("attribute `{attribute}` = {value} of {} is not supported", self.node.op_type),
            cause,
        )
    }
    /// O2C0203 at this node.
    pub fn operand(&self, i: usize, cause: impl Into<String>) -> Diagnostic {
        let name = self.node.inputs.get(i).map_or("", String::as_str);
        self.error(
            code::INPUT_UNSUPPORTED,
            format!("operand {i} \"{name}\" of {} is not supported", self.node.op_type),
            cause,
        )
    }
    fn kind(&self, name: &str, want: &str, got: &Attribute) -> Diagnostic {
        let got = match got {
            Attribute::Int(_) => "an integer",
            Attribute::Float(_) => "a float",
            Attribute::String(_) => "a string",
            Attribute::Ints(_) => "a list of integers",
            Attribute::Floats(_) => "a list of floats",
            Attribute::Strings(_) => "a list of strings",
            Attribute::Tensor(_) => "a tensor",
            Attribute::Other(kind) => kind,
        };
        self.invalid(format!("attribute `{name}` is {got}; it has to be {want}"))
    }
}

/// How diagnostics name a node of the file: `node "conv1" (Conv)`.
pub fn label(node: &ModelNode) -> String {
    let name = if node.name.is_empty() {
        node.outputs.iter().find(|o| !o.is_empty()).map_or("", String::as_str)
    } else {
        &node.name
    };
    format!("node \"{name}\" ({})", node.op_type)
}

/// An axis as given (negative counts from the end) within `rank`.
pub fn axis(axis: i64, rank: usize) -> Option<usize> {
    let rank_i = i64::try_from(rank).ok()?;
    let at = if axis < 0 { axis + rank_i } else { axis };
    usize::try_from(at).ok().filter(|a| *a < rank)
}
