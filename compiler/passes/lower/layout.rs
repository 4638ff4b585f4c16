//! Where the elements of ONNX tensors lie in canonical `[channel, row, column]` tensors.
//!
//! Reshape and Transpose change the ONNX view only. A consumer that needs a certain order either finds it, absorbs
//! the difference into its weights, makes the graph's input take that order in the first place, or has the elements
//! moved (`super::arrange`).

use std::collections::{BTreeSet, VecDeque};

use crate::graph::Port;
use crate::graph::float::FloatGraph;
use crate::ops::Op;
use crate::ops::quantized::Kernel;

/// An integer value and the place of each ONNX element in it.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// The value in the integer graph.
    pub(super) port: Port,
    /// ONNX element j is canonical element `position[j]`; `None` is the identity.
    pub(super) position: Option<Vec<u32>>,
}

impl Placed {
    /// The place of ONNX element `j`.
    pub(super) fn at(&self, j: usize) -> usize {
        self.position.as_ref().map_or(j, |p| p[j] as usize)
    }
    /// The same value, seen through a Transpose of ONNX shape `shape`.
    pub(super) fn transposed(&self, shape: &[usize], perm: &[usize]) -> Placed {
        let from = transpose_order(shape, perm);
        let position: Vec<u32> =
            from.iter().map(|&j| self.position.as_ref().map_or(j, |p| p[j as usize])).collect();
        Placed { port: self.port, position: simple(position) }
    }
}

/// `None` for the identity.
pub(super) fn simple(order: Vec<u32>) -> Option<Vec<u32>> {
    let identity = order.iter().enumerate().all(|(i, j)| i == *j as usize);
    (!identity).then_some(order)
}

/// The inverse of a permutation.
pub(super) fn inverse(order: &[u32]) -> Vec<u32> {
    let mut inverse = vec![0; order.len()];
    for (i, j) in (0_u32..).zip(order) {
        inverse[*j as usize] = i;
    }
    inverse
}

/// For each element of the transposed tensor, the element of the operand (both row-major).
fn transpose_order(shape: &[usize], perm: &[usize]) -> Vec<u32> {
    let mut strides = vec![1_usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    let n: usize = shape.iter().product();
    let mut index = vec![0_usize; perm.len()];
    let mut order = Vec::with_capacity(n);
    for _ in 0..n {
        let at: usize = index.iter().zip(perm).map(|(i, p)| i * strides[*p]).sum();
        // Element counts are limited to u32 at import.
        order.push(u32::try_from(at).unwrap_or(u32::MAX));
        for d in (0..perm.len()).rev() {
            index[d] += 1;
            if index[d] < shape[perm[d]] {
                break;
            }
            index[d] = 0;
        }
    }
    order
}

/// The canonical shape of an ONNX tensor whose elements stay in order:
/// `[1, C, H, W]` is `[C, H, W]`, `[1, C, L]` is `[C, 1, L]`, anything else a column of channels.
pub(super) fn natural(shape: &[usize]) -> [usize; 3] {
    match shape {
        [1, c, l] => [*c, 1, *l],
        [1, c, h, w] => [*c, *h, *w],
        other => [other.iter().product(), 1, 1],
    }
}

/// Rows and columns of the left operand of a matrix product: all leading axes are rows.
pub(super) fn rows(shape: &[usize], transposed: bool) -> (usize, usize) {
    match (shape, transposed) {
        ([k, s], true) => (*s, *k),
        _ => {
            let k = shape.last().copied().unwrap_or(1);
            (shape.iter().product::<usize>().checked_div(k).unwrap_or(0), k)
        }
    }
}

/// The canonical shape that the readers of input value `port` need, and for each canonical element the ONNX
/// element (`None` is the identity). The first reader in breadth-first order decides.
pub(super) fn demanded(graph: &FloatGraph, port: Port) -> ([usize; 3], Option<Vec<u32>>) {
    let first = &graph.value(port).fact;
    let n = u32::try_from(first.len()).unwrap_or(u32::MAX);
    let mut todo: VecDeque<(Port, Vec<u32>)> = VecDeque::from([(port, (0..n).collect())]);
    let mut seen = BTreeSet::from([port]);
    while let Some((port, from)) = todo.pop_front() {
        let shape = &graph.value(port).fact.shape;
        for (reader, operand) in graph.consumers(port) {
            let next = match &graph.node(reader).op {
                Op::Reshape(_) => from.clone(),
                Op::Transpose(perm) => {
                    transpose_order(shape, perm).iter().map(|j| from[*j as usize]).collect()
                }
                Op::MaxPool(_) | Op::Slice(_) | Op::Space(_) | Op::Pad(_) | Op::Concat(_) => {
                    return (natural(shape), simple(from));
                }
                Op::Quantized(q) => match &q.kernel {
                    Kernel::Concat(_) => return (natural(shape), simple(from)),
                    Kernel::Conv(_) | Kernel::ConvTranspose(_) | Kernel::Average(..) if operand == 0 => {
                        return (natural(shape), simple(from));
                    }
                    Kernel::MatMul { trans_a, .. } if operand == 0 => {
                        let (s, k) = rows(shape, *trans_a);
                        if s == 1 {
                            continue;
                        }
                        let order = (0..k)
                            .flat_map(|k_| (0..s).map(move |s_| (k_, s_)))
                            .map(|(k_, s_)| from[if *trans_a { k_ * s + s_ } else { s_ * k + k_ }])
                            .collect();
                        return ([k, 1, s], simple(order));
                    }
                    Kernel::Affine(axis, _) => {
                        // Channels, where the reader has them as its second axis.
                        if *axis == 1 {
                            return (natural(shape), simple(from));
                        }
                        from.clone()
                    }
                    Kernel::Add(_) | Kernel::Mul(_) | Kernel::Table(_) => from.clone(),
                    Kernel::Conv(_)
                    | Kernel::ConvTranspose(_)
                    | Kernel::Average(..)
                    | Kernel::MatMul { .. }
                    | Kernel::Softmax(_) => {
                        continue;
                    }
                },
                _ => continue,
            };
            if seen.insert(reader.into()) && graph.value(reader.into()).fact.len() == from.len() {
                todo.push_back((reader.into(), next));
            }
        }
    }
    (natural(&first.shape), None)
}
