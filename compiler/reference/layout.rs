//! Arrangements as ONNX nodes: Reshape, Transpose, and Gather for what neither expresses.

use super::build::{Builder, integers, sizes};
use crate::graph::int::Arrangement;
use crate::onnx::model::{Attribute, DType};

/// How an ONNX tensor becomes `[c, h, w]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Row-major order is the same.
    Same,
    /// Row-major order of the tensor transposed by this permutation.
    Transposed(Vec<usize>),
    /// Element by element.
    Gathered,
}

/// The simplest layout of an arrangement. Permutations are tried for up to six axes.
pub(crate) fn find(arrangement: &Arrangement) -> Layout {
    let Some(source) = &arrangement.source else { return Layout::Same };
    let shape = &arrangement.onnx_shape;
    if (0..).zip(source).all(|(i, s)| i == *s) && source.len() == shape.iter().product::<usize>() {
        return Layout::Same;
    }
    if shape.len() <= 6 {
        let mut perm: Vec<usize> = (0..shape.len()).collect();
        while next_permutation(&mut perm) {
            if perm[0] == 0 && transposed(shape, &perm).eq(source.iter().map(|s| u64::from(*s))) {
                return Layout::Transposed(perm);
            }
        }
    }
    Layout::Gathered
}

/// From the ONNX tensor to `[1, c, h, w]`.
pub(crate) fn to_canonical(
    b: &mut Builder,
    node: &str,
    from: &str,
    arrangement: &Arrangement,
    layout: &Layout,
    [c, h, w]: [usize; 3],
) -> String {
    let shape = [1, c, h, w];
    let mut at = from.to_owned();
    let mut current = arrangement.onnx_shape.clone();
    match layout {
        Layout::Same => {}
        Layout::Transposed(perm) => {
            current = perm.iter().map(|p| arrangement.onnx_shape[*p]).collect();
            let to = b.fresh(&format!("{from}_transposed"));
            at = b.node(node, ("", "Transpose"), &[&at], &to, vec![("perm", sizes(perm))]);
        }
        Layout::Gathered => {
            let source = arrangement.source.iter().flatten().map(|s| i64::from(*s)).collect();
            at = gather(b, node, &at, source);
            current = vec![c * h * w];
        }
    }
    if current == shape {
        return at;
    }
    let to = b.fresh(&format!("{from}_canonical"));
    reshape(b, node, &at, &shape, &to)
}

/// From `[1, c, h, w]` to the ONNX tensor.
pub(crate) fn to_onnx(
    b: &mut Builder,
    node: &str,
    from: &str,
    arrangement: &Arrangement,
    layout: &Layout,
    [c, h, w]: [usize; 3],
) -> String {
    let shape = &arrangement.onnx_shape;
    let mut at = from.to_owned();
    let mut current = vec![1, c, h, w];
    match layout {
        Layout::Same => {}
        Layout::Transposed(perm) => {
            let before: Vec<usize> = perm.iter().map(|p| shape[*p]).collect();
            if before != current {
                let to = b.fresh(&format!("{from}_reshaped"));
                at = reshape(b, node, &at, &before, &to);
            }
            let mut inverse = vec![0; perm.len()];
            for (i, p) in perm.iter().enumerate() {
                inverse[*p] = i;
            }
            let to = b.fresh(&format!("{from}_transposed"));
            at = b.node(node, ("", "Transpose"), &[&at], &to, vec![("perm", sizes(&inverse))]);
            current.clone_from(shape);
        }
        Layout::Gathered => {
            let mut inverse = vec![0; c * h * w];
            for (canonical, onnx) in (0..).zip(arrangement.source.iter().flatten()) {
                if let Some(slot) = usize::try_from(*onnx).ok().and_then(|i| inverse.get_mut(i)) {
                    *slot = canonical;
                }
            }
            at = gather(b, node, &at, inverse);
            current = vec![c * h * w];
        }
    }
    if current == *shape {
        return at;
    }
    let to = b.fresh(&format!("{from}_arranged"));
    reshape(b, node, &at, shape, &to)
}

/// A Reshape to a constant shape.
pub(crate) fn reshape(b: &mut Builder, node: &str, from: &str, shape: &[usize], to: &str) -> String {
    let constant = b.ints(&format!("{to}_shape"), DType::I64, &[shape.len()], integers(shape));
    b.node(&format!("{node}_reshape"), ("", "Reshape"), &[from, &constant], to, vec![])
}

/// Elements of the flattened tensor by index.
fn gather(b: &mut Builder, node: &str, from: &str, indices: Vec<i64>) -> String {
    let flat = b.fresh(&format!("{from}_flat"));
    let minus_one = b.ints(&format!("{flat}_shape"), DType::I64, &[1], vec![-1]);
    b.node(&format!("{node}_flatten"), ("", "Reshape"), &[from, &minus_one], &flat, vec![]);
    let constant = b.ints(&format!("{flat}_indices"), DType::I64, &[indices.len()], indices);
    let to = b.fresh(&format!("{from}_gathered"));
    b.node(
        &format!("{node}_gather"),
        ("", "Gather"),
        &[&flat, &constant],
        &to,
        vec![("axis", Attribute::Int(0))],
    )
}

/// Row-major elements of a tensor transposed by `perm`.
fn transposed<'a>(shape: &'a [usize], perm: &'a [usize]) -> impl Iterator<Item = u64> + 'a {
    let count: usize = shape.iter().product();
    (0..count).map(move |mut i| {
        let mut at = 0;
        for p in perm.iter().rev() {
            at += (i % shape[*p]) * shape[p + 1..].iter().product::<usize>();
            i /= shape[*p];
        }
        u64::try_from(at).unwrap_or(u64::MAX)
    })
}

/// The next permutation in lexicographic order; `false` after the last.
fn next_permutation(v: &mut [usize]) -> bool {
    let Some(i) = v.windows(2).rposition(|w| w[0] < w[1]) else { return false };
    let Some(j) = v.iter().rposition(|x| *x > v[i]) else { return false };
    v.swap(i, j);
    v[i + 1..].reverse();
    true
}
