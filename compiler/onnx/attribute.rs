//! `AttributeProto` to [`Attribute`]: one kind, one value.
//!
//! A value that is absent although its kind is declared is the kind's default (proto3 writers leave zeros out,
//! and the ONNX checker allows it); two values, or a value of another kind, are refused.

use std::path::Path;

use super::model::Attribute;
use super::proto::AttributeProto;
use super::proto::attribute_proto::AttributeType;
use super::tensor;
use crate::diag::{Diagnostic, code};

/// Decodes an attribute. `ir_version` 1 may leave the kind out.
///
/// # Errors
/// `GRAPH_INVALID`, and those of [`tensor::tensor`].
pub(super) fn attribute(
    a: &AttributeProto,
    ir_version: i64,
    dir: Option<&Path>,
    left: &mut usize,
) -> Result<Attribute, Diagnostic> {
    if !a.ref_attr_name().is_empty() {
        return Err(invalid(format!(
            "it refers to {:?}, which only the body of a function may do",
            a.ref_attr_name()
        )));
    }
    let given = given(a);
    let kind = match AttributeType::try_from(a.r#type.unwrap_or(0)) {
        Ok(AttributeType::Undefined) if ir_version < 2 && given.len() == 1 => given[0],
        Ok(AttributeType::Undefined) => return Err(invalid("it has no type")),
        Ok(kind) => kind,
        Err(_) => return Err(invalid(format!("its type {} is not known", a.r#type.unwrap_or(0)))),
    };
    if let Some(other) = given.iter().find(|k| **k != kind) {
        return Err(invalid(format!(
            "its type is {}, but it holds {}",
            kind.as_str_name(),
            other.as_str_name()
        )));
    }
    Ok(match kind {
        AttributeType::Undefined => return Err(invalid("it has no type")),
        AttributeType::Float => Attribute::Float(a.f.unwrap_or(0.0)),
        AttributeType::Int => Attribute::Int(a.i.unwrap_or(0)),
        AttributeType::String => Attribute::String(text(a.s.as_deref().unwrap_or_default())?),
        AttributeType::Floats => Attribute::Floats(a.floats.clone()),
        AttributeType::Ints => Attribute::Ints(a.ints.clone()),
        AttributeType::Strings => {
            Attribute::Strings(a.strings.iter().map(|s| text(s)).collect::<Result<_, _>>()?)
        }
        AttributeType::Tensor => match &a.t {
            Some(t) => Attribute::Tensor(tensor::tensor(t, dir, left)?),
            None => return Err(invalid("its type is TENSOR, but it holds none")),
        },
        AttributeType::Graph
        | AttributeType::SparseTensor
        | AttributeType::TypeProto
        | AttributeType::Tensors
        | AttributeType::Graphs
        | AttributeType::SparseTensors
        | AttributeType::TypeProtos => Attribute::Other(kind.as_str_name()),
    })
}

/// The kinds of the values that the file gives.
fn given(a: &AttributeProto) -> Vec<AttributeType> {
    [
        (a.f.is_some(), AttributeType::Float),
        (a.i.is_some(), AttributeType::Int),
        (a.s.is_some(), AttributeType::String),
        (a.t.is_some(), AttributeType::Tensor),
        (a.g.is_some(), AttributeType::Graph),
        (a.sparse_tensor.is_some(), AttributeType::SparseTensor),
        (a.tp.is_some(), AttributeType::TypeProto),
        (!a.floats.is_empty(), AttributeType::Floats),
        (!a.ints.is_empty(), AttributeType::Ints),
        (!a.strings.is_empty(), AttributeType::Strings),
        (!a.tensors.is_empty(), AttributeType::Tensors),
        (!a.graphs.is_empty(), AttributeType::Graphs),
        (!a.sparse_tensors.is_empty(), AttributeType::SparseTensors),
        (!a.type_protos.is_empty(), AttributeType::TypeProtos),
    ]
    .into_iter()
    .filter_map(|(there, kind)| there.then_some(kind))
    .collect()
}

fn text(bytes: &[u8]) -> Result<String, Diagnostic> {
    String::from_utf8(bytes.to_vec()).map_err(|_| invalid("its text is not UTF-8"))
}

fn invalid(cause: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code::GRAPH_INVALID, "the attribute is not valid", cause)
}
