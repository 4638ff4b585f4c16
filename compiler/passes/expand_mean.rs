//! Makes ReduceMean an average over a window of the map, its channels moved to axis 1 and back where they come last.
//!
//! The Transpose and Reshape that this adds are absorbed like the file's own.

use super::names::{Names, swap_names};
use crate::diag::Result;
use crate::graph::float::{Fact, FloatGraph};
use crate::graph::int::Window;
use crate::graph::{NodeId, Port};
use crate::ops::Op;
use crate::ops::average_pool::{AveragePool, Origin};
use crate::ops::reduce_mean::Mean;

pub(super) fn run(graph: &mut FloatGraph) -> Result<()> {
    let mut names = Names::of(graph);
    for id in graph.topo().unwrap_or_default() {
        if let (Op::Mean(mean), [x]) = (graph.node(id).op.clone(), graph.inputs(id).as_slice()) {
            expand(graph, &mut names, id, &mean, *x);
        }
    }
    Ok(())
}

fn expand(graph: &mut FloatGraph, names: &mut Names, id: NodeId, mean: &Mean, x: Port) {
    let value = graph.value(id.into()).name.clone();
    let mut fact = graph.value(x).fact.clone();
    let rank = fact.shape.len();
    let mut x = x;
    // The last operator is `id`, which keeps the value.
    let mut steps: Vec<(Op, Fact, &str)> = Vec::new();
    let last_to_first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let mut axes = mean.axes.clone();
    if mean.channels_last {
        fact.shape = last_to_first.iter().map(|a| fact.shape[*a]).collect();
        axes = (0..rank).filter(|a| mean.axes.contains(&last_to_first[*a])).collect();
        steps.push((Op::Transpose(last_to_first), fact.clone(), "channels_first"));
    }
    // One spatial axis is a row.
    let kernel = [rank - 2, rank - 1].map(|a| if a > 1 && axes.contains(&a) { fact.shape[a] } else { 1 });
    let pool = AveragePool {
        window: Window { kernel, ..Window::POINT },
        ceil: false,
        count_include_pad: false,
        origin: Origin::Mean,
    };
    for axis in &axes {
        fact.shape[*axis] = 1;
    }
    let average = steps.len();
    steps.push((Op::AveragePool(pool), fact.clone(), "kept"));
    if mean.channels_last {
        let back: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
        fact.shape = back.iter().map(|a| fact.shape[*a]).collect();
        steps.push((Op::Transpose(back), fact.clone(), "channels_last"));
    }
    if !mean.keepdims {
        let shape = crate::ops::reduce_mean::shape(mean, &graph.value(graph.inputs(id)[0]).fact.shape);
        fact.shape.clone_from(&shape);
        steps.push((Op::Reshape(shape), fact, "dropped"));
    }
    let Some((last, _, _)) = steps.pop() else { return };
    for (n, (op, fact, what)) in steps.into_iter().enumerate() {
        let name = format!("{value}_{what}");
        let new = names.add(graph, &name, &name, op, &[x], fact);
        if n == average {
            swap_names(graph, id, new);
        }
        x = new.into();
    }
    graph.node_mut(id).op = last;
    graph.set_inputs(id, &[x]);
}
