//! Builds a neutral [`Model`]: fresh names, constants, nodes.
//!
//! In: operators with their operands. Out: a model whose names are unique and whose order of nodes is the order
//! of the calls. Guarantees: deterministic.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, IxDyn};

use crate::onnx::model::{Attribute, DType, Dim, Model, ModelNode, Tensor, TensorData, ValueInfo};

/// The domain of ONNX Runtime's own operators.
pub(crate) const MICROSOFT: &str = "com.microsoft";

/// A model under construction.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    model: Model,
    names: BTreeSet<String>,
    nodes: BTreeSet<String>,
}

impl Builder {
    /// An empty model of the given ai.onnx opset.
    pub(crate) fn new(name: &str, opset: i64) -> Builder {
        let opsets = BTreeMap::from([(String::new(), opset), (MICROSOFT.to_owned(), 1)]);
        Builder { model: Model { name: name.to_owned(), opsets, ..Model::default() }, ..Builder::default() }
    }

    /// The finished model.
    pub(crate) fn finish(self) -> Model {
        self.model
    }

    /// Takes a name as it is; `false` if it is in use.
    pub(crate) fn reserve(&mut self, name: &str) -> bool {
        self.names.insert(name.to_owned())
    }

    /// A tensor name like `name`, not in use.
    pub(crate) fn fresh(&mut self, name: &str) -> String {
        unique(&mut self.names, name)
    }

    /// Declares a model input, whose name must be reserved.
    pub(crate) fn input(&mut self, name: &str, dtype: DType, shape: &[usize]) {
        self.model.inputs.push(info(name, dtype, shape));
    }

    /// Declares a model output.
    pub(crate) fn output(&mut self, name: &str, dtype: DType, shape: &[usize]) {
        if self.model.outputs.iter().all(|o| o.name != name) {
            self.model.outputs.push(info(name, dtype, shape));
        }
    }

    /// A float32 constant; `shape` empty for a scalar.
    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], data: &[f32]) -> String {
        let data = data.iter().map(|v| f64::from(*v)).collect();
        self.constant(name, DType::F32, array(shape, data).map(TensorData::Float))
    }

    /// An integer constant.
    pub(crate) fn ints(&mut self, name: &str, dtype: DType, shape: &[usize], data: Vec<i64>) -> String {
        self.constant(name, dtype, array(shape, data).map(TensorData::Int))
    }

    fn constant(&mut self, name: &str, dtype: DType, data: Option<TensorData>) -> String {
        let name = self.fresh(name);
        // The callers' shapes are those of their data; an empty tensor would be refused by ONNX Runtime.
        let data = data.unwrap_or_else(|| TensorData::Int(ArrayD::zeros(IxDyn(&[0]))));
        self.model.initializers.insert(name.clone(), Tensor { dtype, data });
        name
    }

    /// Adds a node with several results (reserved by the caller).
    pub(crate) fn node_of(
        &mut self,
        name: &str,
        op: (&str, &str),
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<(&str, Attribute)>,
    ) {
        self.node(name, op, inputs, "", attributes);
        if let Some(node) = self.model.nodes.last_mut() {
            node.outputs = outputs.iter().map(|s| (*s).to_owned()).collect();
        }
    }

    /// Adds a node with one result called `output` (reserved by the caller) and returns that name.
    pub(crate) fn node(
        &mut self,
        name: &str,
        (domain, op_type): (&str, &str),
        inputs: &[&str],
        output: &str,
        attributes: Vec<(&str, Attribute)>,
    ) -> String {
        let name = unique(&mut self.nodes, name);
        self.model.nodes.push(ModelNode {
            name,
            op_type: op_type.to_owned(),
            domain: domain.to_owned(),
            inputs: inputs.iter().map(|s| (*s).to_owned()).collect(),
            outputs: vec![output.to_owned()],
            attributes: attributes.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        });
        output.to_owned()
    }
}

fn unique(taken: &mut BTreeSet<String>, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut k = 1;
    while !taken.insert(candidate.clone()) {
        k += 1;
        candidate = format!("{name}_{k}");
    }
    candidate
}

fn array<T>(shape: &[usize], data: Vec<T>) -> Option<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), data).ok()
}

fn info(name: &str, dtype: DType, shape: &[usize]) -> ValueInfo {
    ValueInfo { name: name.to_owned(), dtype, shape: Some(shape.iter().map(|d| Dim::Fixed(*d)).collect()) }
}

/// An `ints` attribute of sizes.
pub(crate) fn sizes(v: &[usize]) -> Attribute {
    Attribute::Ints(integers(v))
}

/// Sizes as ONNX integers.
pub(crate) fn integers(v: &[usize]) -> Vec<i64> {
    v.iter().copied().map(integer).collect()
}

/// A size as an ONNX integer.
pub(crate) fn integer(v: usize) -> i64 {
    // A size is below 2^63 on every machine.
    i64::try_from(v).unwrap_or(i64::MAX)
}
