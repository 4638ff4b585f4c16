//! ONNX graphs as text, for tests and examples: one line an input, a constant, a node or an output.
//!
//! ```text
//! # a comment; opsets default to ai.onnx 13 and com.microsoft 1
//! opset 13
//! input x: f32[N,3,8,8]
//! const w: i8[2,3,1,1] = 1 2 3 4 5 6
//! xq = QuantizeLinear(x, f32 0.05, i8 -3)
//! y = com.microsoft.QLinearSigmoid(xq, f32 0.05, i8 -3, f32 0.1, i8 0) name="act"
//! output y: i8
//! ```
//!
//! Operands may be constants in place: `f32 0.05` is a scalar, `f32[1] 0.05` a vector; one element fills the shape.
//! `_` is an absent operand. Attributes: integers, floats (with a point or exponent), "strings", [lists].
//!
//! In: text. Out: the neutral model that [`crate::ops::import::import`] takes. Errors name the line.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use super::float::{dtype_of_name, is_float};
use crate::diag::{Diagnostic, Result, code};
use crate::onnx::model::{Attribute, DType, Dim, Model, ModelNode, Tensor, TensorData, ValueInfo};

/// Parses the text of a model.
pub fn parse(text: &str) -> Result<Model> {
    let mut model = Model {
        opsets: BTreeMap::from([(String::new(), 13), ("com.microsoft".to_owned(), 1)]),
        ..Model::default()
    };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        statement(&mut model, line).map_err(|cause| {
            Diagnostic::new(code::GRAPH_INVALID, "the graph text is not valid", cause)
                .at(format!("line {}: {line}", number + 1))
        })?;
    }
    Ok(model)
}

type Parsed<T> = std::result::Result<T, String>;

fn statement(model: &mut Model, line: &str) -> Parsed<()> {
    if let Some(rest) = line.strip_prefix("opset ") {
        let (domain, version) = rest.rsplit_once(' ').unwrap_or(("", rest));
        model.opsets.insert(domain.trim().to_owned(), integer(version)?);
    } else if let Some(rest) = line.strip_prefix("input ") {
        model.inputs.push(value(rest)?);
    } else if let Some(rest) = line.strip_prefix("output ") {
        model.outputs.push(value(rest)?);
    } else if let Some(rest) = line.strip_prefix("const ") {
        let (name, rest) = rest.split_once(':').ok_or("`:` is missing")?;
        let (ty, elements) = rest.split_once('=').ok_or("`=` is missing")?;
        let tensor = tensor(ty.trim(), elements)?;
        model.initializers.insert(name.trim().to_owned(), tensor);
    } else {
        node(model, line)?;
    }
    Ok(())
}

fn integer(text: &str) -> Parsed<i64> {
    text.trim().parse().map_err(|_| format!("`{text}` is no integer"))
}

/// `f32[1,3]` as type and dimensions; no brackets means none given.
fn typed(text: &str) -> Parsed<(DType, Option<Vec<&str>>)> {
    let (name, dims) = match text.split_once('[') {
        None => (text, None),
        Some((name, rest)) => {
            let inside = rest.strip_suffix(']').ok_or("`]` is missing")?;
            let dims = inside.split(',').map(str::trim).filter(|d| !d.is_empty()).collect();
            (name, Some(dims))
        }
    };
    let dtype = dtype_of_name(name.trim()).ok_or_else(|| format!("`{name}` is no element type"))?;
    Ok((dtype, dims))
}

fn value(text: &str) -> Parsed<ValueInfo> {
    let (name, ty) = text.rsplit_once(": ").ok_or("`: type` is missing")?;
    let (dtype, dims) = typed(ty.trim())?;
    let dim = |d: &&str| d.parse().map_or_else(|_| Dim::Symbol((*d).to_owned()), Dim::Fixed);
    Ok(ValueInfo { name: name.trim().to_owned(), dtype, shape: dims.map(|d| d.iter().map(dim).collect()) })
}

fn tensor(ty: &str, elements: &str) -> Parsed<Tensor> {
    let (dtype, dims) = typed(ty)?;
    let shape: Option<Vec<usize>> = dims.unwrap_or_default().iter().map(|d| d.parse().ok()).collect();
    let shape = shape.ok_or_else(|| format!("`{ty}` has no fixed shape"))?;
    let count: usize = shape.iter().product();
    let words: Vec<&str> = elements.split_whitespace().collect();
    if words.len() != count && words.len() != 1 {
        return Err(format!("{} elements for {ty}", words.len()));
    }
    let fill = |i: usize| if words.len() == 1 { 0 } else { i };
    let data = if is_float(dtype) {
        let values: Option<Vec<f64>> = words
            .iter()
            .map(|w| if dtype == DType::F32 { w.parse::<f32>().ok().map(f64::from) } else { w.parse().ok() })
            .collect();
        let values = values.ok_or_else(|| format!("`{elements}` are no floats"))?;
        let all = (0..count).map(|i| values[fill(i)]).collect();
        TensorData::Float(ArrayD::from_shape_vec(IxDyn(&shape), all).map_err(|e| e.to_string())?)
    } else {
        let values = words.iter().map(|w| integer(w)).collect::<Parsed<Vec<i64>>>()?;
        let all = (0..count).map(|i| values[fill(i)]).collect();
        TensorData::Int(ArrayD::from_shape_vec(IxDyn(&shape), all).map_err(|e| e.to_string())?)
    };
    Ok(Tensor { dtype, data })
}

fn node(model: &mut Model, line: &str) -> Parsed<()> {
    let (outputs, rest) = line.split_once(" = ").ok_or("`=` is missing")?;
    let (op, rest) = rest.split_once('(').ok_or("`(` is missing")?;
    let close = closing(rest).ok_or("`)` is missing")?;
    let (operands, attributes) = (&rest[..close], &rest[close + 1..]);
    let (domain, op_type) = op.trim().rsplit_once('.').unwrap_or(("", op.trim()));
    let mut inputs = Vec::new();
    for operand in split(operands, ',') {
        inputs.push(match operand.split_once(' ') {
            None if operand == "_" => String::new(),
            None => operand.to_owned(),
            Some((ty, elements)) => {
                let name = format!("const{}", model.initializers.len());
                model.initializers.insert(name.clone(), tensor(ty, elements)?);
                name
            }
        });
    }
    let mut attributes_map = BTreeMap::new();
    let mut name = String::new();
    for word in split(attributes, ' ') {
        let (key, text) = word.split_once('=').ok_or_else(|| format!("`{word}` is no attribute"))?;
        let value = attribute(text)?;
        if let ("name", Attribute::String(text)) = (key, &value) {
            name.clone_from(text);
        } else {
            attributes_map.insert(key.to_owned(), value);
        }
    }
    model.nodes.push(ModelNode {
        name,
        op_type: op_type.to_owned(),
        domain: domain.to_owned(),
        inputs,
        outputs: outputs.split(',').map(|o| o.trim().to_owned()).collect(),
        attributes: attributes_map,
    });
    Ok(())
}

/// The parenthesis that closes an opened one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(i),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits at `separator` outside brackets and quotes; empty parts are dropped.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut quoted) = (0, 0_i32, false);
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '(' if !quoted => depth += 1,
            ']' | ')' if !quoted => depth -= 1,
            c if c == separator && depth == 0 && !quoted => {
                parts.push(&text[start..i]);
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|p| !p.is_empty()).collect()
}

fn attribute(text: &str) -> Parsed<Attribute> {
    if let Some(inside) = text.strip_prefix('"') {
        return Ok(Attribute::String(inside.strip_suffix('"').ok_or("a quote is missing")?.to_owned()));
    }
    let float = |t: &str| t.parse::<f32>().map_err(|_| format!("`{t}` is no number"));
    let is_float = |t: &str| t.contains(['.', 'e']);
    if let Some(inside) = text.strip_prefix('[') {
        let words = split(inside.strip_suffix(']').ok_or("`]` is missing")?, ',');
        return if words.iter().any(|w| is_float(w)) {
            Ok(Attribute::Floats(words.into_iter().map(float).collect::<Parsed<_>>()?))
        } else {
            Ok(Attribute::Ints(words.into_iter().map(integer).collect::<Parsed<_>>()?))
        };
    }
    if is_float(text) { Ok(Attribute::Float(float(text)?)) } else { Ok(Attribute::Int(integer(text)?)) }
}
