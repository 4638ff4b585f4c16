//! Moves a tensor's elements where a reader can't take them as they lie: after a Transpose or Reshape that neither weights
//! nor the graph's edges absorb.
//!
//! In: for each element of the wanted `[c, h, w]` its place in the tensor at hand. Out: selections (which also exchange rows
//! and columns), interleaved or beside each other, where every channel walks evenly over rows and columns of one channel.
//! Where channels have to become rows or columns, convolutions with one weight of 1 for each output channel move them
//! first, one for each channel. Refused are rearrangements that take too many layers.

use ndarray::Array4;

use super::layout::{self, Placed};
use super::{Lower, Lowered};
use crate::arith::RescaleSpec;
use crate::graph::int::{Concat, Conv, ConvForm, IntOp, QFact, Select, Window};
use crate::graph::{NodeId, Port};

/// Layers that one rearrangement may take.
const MOST_LAYERS: usize = 64;

/// Interleaved parts along an axis.
const MOST_PHASES: usize = 16;

/// Weights that moving channels to rows or columns may take.
const MOST_WEIGHTS: usize = 1 << 22;

/// Where elements come from.
struct View<'a> {
    /// Shape of the tensor at hand.
    from: [usize; 3],
    /// The wanted shape.
    to: [usize; 3],
    /// For each element of the wanted tensor its place in the other, both row-major.
    place: &'a dyn Fn(usize) -> usize,
}

/// Channels with the same first row and column, and where each comes from.
#[derive(Clone, Debug)]
struct Group {
    origin: [usize; 2],
    /// Output channel and its source.
    channels: Vec<(usize, usize)>,
}

/// Every n-th row and column of the wanted tensor.
#[derive(Clone, Debug)]
struct Phase {
    size: [usize; 2],
    steps: [usize; 2],
    groups: Vec<Group>,
}

impl Phase {
    /// Whether the groups' channels come in the wanted order.
    fn ordered(&self) -> bool {
        self.groups.iter().flat_map(|g| &g.channels).map(|(to, _)| *to).is_sorted()
    }
}

/// A rearrangement by selections.
#[derive(Clone, Debug)]
struct Plan {
    every: [usize; 2],
    exchanged: bool,
    phases: Vec<Phase>,
}

impl Plan {
    /// Layers: a selection for each group, and one more where groups lie apart or in another order.
    fn layers(&self) -> usize {
        let more = |p: &Phase| p.groups.len() > 1 && (self.phases.len() > 1 || !p.ordered());
        self.phases.iter().map(|p| p.groups.len() + usize::from(more(p))).sum()
    }
}

/// A rearrangement: channels become rows (1) or columns (2), or not, and selections, if any are needed.
struct Moves {
    along: Option<usize>,
    plan: Option<Plan>,
    layers: usize,
}

impl View<'_> {
    fn at(&self, c: usize, h: usize, w: usize) -> [usize; 3] {
        let [_, rows, columns] = self.to;
        let place = (self.place)((c * rows + h) * columns + w);
        let [_, h, w] = self.from;
        [place / (h * w), place / w % h, place % w]
    }

    /// Rows `first[0]`, `first[0] + every[0]`, ... and columns likewise, if each channel of them walks evenly.
    fn phase(&self, first: [usize; 2], every: [usize; 2], exchanged: bool) -> Option<Phase> {
        let size: [usize; 2] = std::array::from_fn(|d| (self.to[d + 1] - first[d]).div_ceil(every[d]));
        let walk = if exchanged { [size[1], size[0]] } else { size };
        // The element at a row and column of the walk.
        let element = |c: usize, row: usize, column: usize| {
            let [m, n] = if exchanged { [column, row] } else { [row, column] };
            self.at(c, first[0] + m * every[0], first[1] + n * every[1])
        };
        let [_, row, column] = element(0, 0, 0);
        let down = if walk[0] > 1 { element(0, 1, 0)[1].checked_sub(row)? } else { 1 };
        let right = if walk[1] > 1 { element(0, 0, 1)[2].checked_sub(column)? } else { 1 };
        if down == 0 || right == 0 {
            return None;
        }
        let mut groups: Vec<Group> = Vec::new();
        for c in 0..self.to[0] {
            let [from, row, column] = element(c, 0, 0);
            for (m, n) in (0..walk[0]).flat_map(|m| (0..walk[1]).map(move |n| (m, n))) {
                if element(c, m, n) != [from, row + m * down, column + n * right] {
                    return None;
                }
            }
            match groups.iter_mut().find(|g| g.origin == [row, column]) {
                Some(group) => group.channels.push((c, from)),
                None => groups.push(Group { origin: [row, column], channels: vec![(c, from)] }),
            }
            if groups.len() > MOST_LAYERS {
                return None;
            }
        }
        Some(Phase { size, steps: [down, right], groups })
    }

    /// The fewest interleaved selections.
    fn plan(&self) -> Option<Plan> {
        let [_, h, w] = self.to;
        let divisors = |n: usize| (1..=n.min(MOST_PHASES)).filter(move |d| n.is_multiple_of(*d));
        let mut all: Vec<[usize; 2]> = divisors(h).flat_map(|a| divisors(w).map(move |b| [a, b])).collect();
        all.sort_by_key(|[a, b]| a * b);
        let mut best: Option<Plan> = None;
        for (every, exchanged) in all.into_iter().flat_map(|every| [(every, false), (every, true)]) {
            // As many layers as phases, at least.
            if every[0] * every[1] >= best.as_ref().map_or(MOST_LAYERS + 1, Plan::layers) {
                break;
            }
            let first = (0..every[0]).flat_map(|i| (0..every[1]).map(move |j| [i, j]));
            let phases: Option<Vec<Phase>> = first.map(|first| self.phase(first, every, exchanged)).collect();
            let Some(plan) = phases.map(|phases| Plan { every, exchanged, phases }) else { continue };
            if plan.layers() < best.as_ref().map_or(MOST_LAYERS + 1, Plan::layers) {
                best = Some(plan);
            }
        }
        best
    }
}

impl Lower<'_> {
    /// Brings an operand to `[c, h, w]`, whose element i is the ONNX tensor's `order(i)`, and keeps it so.
    pub(super) fn arrange(
        &mut self,
        id: NodeId,
        port: Port,
        to: [usize; 3],
        order: &dyn Fn(usize) -> usize,
    ) -> Lowered<(Port, QFact)> {
        let (placed, fact) = self.operand(id, port, None)?;
        let place = |i: usize| placed.at(order(i));
        if fact.shape == to && (0..fact.len()).all(|i| place(i) == i) {
            return Ok((placed.port, fact));
        }
        let name = format!("{}_arranged", self.graph.value(port).name);
        let Some(moved) = self.rearranged(&name, placed.port, &fact, to, &place) else {
            return Err(self.layout(id, port));
        };
        let fact = QFact { shape: to, ..fact };
        let n = u32::try_from(fact.len()).unwrap_or(u32::MAX);
        let source: Vec<u32> = (0..n).map(|i| u32::try_from(order(i as usize)).unwrap_or(u32::MAX)).collect();
        let position = layout::simple(layout::inverse(&source));
        self.placed.insert(port, Placed { port: moved, position });
        Ok((moved, fact))
    }

    /// An operand whose ONNX axes walk along canonical ones in their order, moved there if need be.
    pub(super) fn in_order(&mut self, id: NodeId, port: Port) -> Lowered<(Placed, QFact)> {
        if !matches!(self.graph.value(port).fact.shape.as_slice(), [1, _, _] | [1, _, _, _]) {
            return Err(self.layout(id, port));
        }
        let (port, fact) = self.natural(id, port)?;
        Ok((Placed { port, position: None }, fact))
    }

    /// Nothing is added where the result is `None`.
    fn rearranged(
        &mut self,
        name: &str,
        x: Port,
        fact: &QFact,
        to: [usize; 3],
        place: &dyn Fn(usize) -> usize,
    ) -> Option<Port> {
        let [c, h, w] = fact.shape;
        let direct = (View { from: fact.shape, to, place }).plan();
        let mut best = direct.map(|plan| Moves { along: None, layers: plan.layers(), plan: Some(plan) });
        let moved = |along: usize| if along == 1 { [h, c, w] } else { [w, h, c] };
        for along in [1, 2] {
            let weights = c * fact.shape[along];
            let most = best.as_ref().map_or(MOST_LAYERS + 1, |b| b.layers);
            if c >= most || weights.saturating_mul(weights) > MOST_WEIGHTS {
                continue;
            }
            // Where an element of x is once channels are rows, or columns.
            let exchange = |i: usize| {
                let (channel, row, column) = (i / (h * w), i / w % h, i % w);
                if along == 1 { (row * c + channel) * w + column } else { (column * h + row) * c + channel }
            };
            let place = |i: usize| exchange(place(i));
            let same = moved(along) == to && (0..fact.len()).all(|i| place(i) == i);
            let plan = (View { from: moved(along), to, place: &place }).plan().filter(|_| !same);
            let layers = c + plan.as_ref().map_or(0, Plan::layers);
            if (same || plan.is_some()) && layers < most {
                best = Some(Moves { along: Some(along), plan, layers });
            }
        }
        let Moves { along, plan, .. } = best?;
        let (mut x, mut fact) = (x, fact.clone());
        if let Some(along) = along {
            let name = if plan.is_some() { format!("{name}_channels") } else { name.to_owned() };
            x = self.channels_along(&name, x, &fact, along);
            fact.shape = moved(along);
        }
        Some(plan.map_or(x, |plan| self.selected(name, x, &fact, &plan)))
    }

    /// Channels become rows (`along` 1) or columns (2), and those channels.
    fn channels_along(&mut self, name: &str, x: Port, fact: &QFact, along: usize) -> Port {
        let [c, h, w] = fact.shape;
        let size = fact.shape[along];
        let kernel = if along == 1 { [h, 1] } else { [1, w] };
        let shape = if along == 1 { [h, 1, w] } else { [w, h, 1] };
        let half = 1_i32 << (fact.bits - 1);
        let mut parts = Vec::with_capacity(c);
        for channel in 0..c {
            let mut weight = Array4::zeros((size, c, kernel[0], kernel[1]));
            for o in 0..size {
                weight[if along == 1 { [o, channel, o, 0] } else { [o, channel, 0, o] }] = 1;
            }
            let op = Conv {
                window: Window { kernel, ..Window::POINT },
                groups: 1,
                weight,
                bias: vec![0; size],
                rescale: RescaleSpec {
                    scale: vec![1.0],
                    zero_point: fact.zero_point,
                    lo: -half,
                    hi: half - 1,
                },
                weight_scale: vec![1.0],
                form: ConvForm::Integer,
            };
            let name = if c == 1 { name.to_owned() } else { format!("{name}_part{channel}") };
            parts.push(self.add(&name, &name, IntOp::Conv(op), &[x], QFact { shape, ..fact.clone() }));
        }
        if let [port] = parts[..] {
            return port;
        }
        let (concat, shape) =
            if along == 1 { (Concat::Rows, [h, c, w]) } else { (Concat::Columns, [w, h, c]) };
        self.add(name, name, IntOp::Concat(concat), &parts, QFact { shape, ..fact.clone() })
    }

    fn selected(&mut self, name: &str, x: Port, fact: &QFact, plan: &Plan) -> Port {
        let place = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let single = plan.phases.len() == 1;
        let channels: usize =
            plan.phases.iter().take(1).flat_map(|p| &p.groups).map(|g| g.channels.len()).sum();
        let mut phases = Vec::with_capacity(plan.phases.len());
        for (n, phase) in plan.phases.iter().enumerate() {
            let name = if single { name.to_owned() } else { format!("{name}_part{n}") };
            let one = phase.groups.len() == 1;
            let ordered = phase.ordered();
            let shape = |channels: usize| [channels, phase.size[0], phase.size[1]];
            let select = |channels: Vec<usize>, origin: [i64; 2], steps, exchanged| {
                let channels = channels.into_iter().map(Some).collect();
                IntOp::Select(Select { channels, origin, steps, fill: fact.zero_point, exchanged })
            };
            let mut ports = Vec::with_capacity(phase.groups.len());
            for (g, group) in phase.groups.iter().enumerate() {
                let name = if one { name.clone() } else { format!("{name}_from{g}") };
                let sources = group.channels.iter().map(|(_, from)| *from).collect();
                let op = select(sources, group.origin.map(place), phase.steps, plan.exchanged);
                let fact = QFact { shape: shape(group.channels.len()), ..fact.clone() };
                ports.push(self.add(&name, &name, op, &[x], fact));
            }
            let fact = QFact { shape: shape(channels), ..fact.clone() };
            let port = match ports[..] {
                [port] => port,
                _ => {
                    let joined = if ordered { name.clone() } else { format!("{name}_joined") };
                    let port =
                        self.add(&joined, &joined, IntOp::Concat(Concat::Channels), &ports, fact.clone());
                    // Which place of the joined channels each output channel has.
                    let mut sources = vec![0; channels];
                    for (at, (to, _)) in phase.groups.iter().flat_map(|g| &g.channels).enumerate() {
                        sources[*to] = at;
                    }
                    if ordered {
                        port
                    } else {
                        self.add(&name, &name, select(sources, [0, 0], [1, 1], false), &[port], fact.clone())
                    }
                }
            };
            phases.push(port);
        }
        if let [port] = phases[..] {
            return port;
        }
        let [rows, columns] = plan.every;
        let height = plan.phases.iter().step_by(columns).map(|p| p.size[0]).sum();
        let width = plan.phases.iter().take(columns).map(|p| p.size[1]).sum();
        let fact = QFact { shape: [channels, height, width], ..fact.clone() };
        self.add(name, name, IntOp::Concat(Concat::Interleave([rows, columns])), &phases, fact)
    }
}
