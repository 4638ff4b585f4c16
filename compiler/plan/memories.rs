//! The memories that a network's tensors lie in, and which layers read and write which parts of them.
//!
//! In: a plan in which every tensor is in memory as a whole. Out: a [`Network`]: its memories, and for each layer the
//! [`Place`]s of its operands and of its result. Guarantees: a memory's pieces are the planes that are written by the same
//! layers and read by the same layers, so that each can lie outside, and be moved, by itself.

use std::collections::BTreeMap;
use std::ops::Range;

use super::layout::Map;
use super::slide::PAIR_PITCH;
use super::steps::Move;
use super::{Plan, lcm};
use crate::graph::Port;
use crate::graph::int::{Concat, IntOp};

/// A memory that tensors share, in place of each other or side by side.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) owner: Port,
    /// Words of a plane's row, planes.
    pub(super) columns: usize,
    pub(super) planes: usize,
    pub(super) h: usize,
    /// Whether it may hold some rows at a time, a multiple of these.
    pub(super) rows: bool,
    multiple: usize,
    /// Whether a window reads two rows at once.
    pub(super) pairs: bool,
    /// The first and the last layer that touch it.
    pub(super) touch: [usize; 2],
    /// It lies beside a sample's computation, too: the network's input or output.
    apart: bool,
    /// Its first plane of each piece, and the number of its planes; empty where its tensors do not each have planes of their
    /// own.
    cuts: Vec<usize>,
    /// Between groups it lies in external memory.
    pub(super) spilled: bool,
}

impl Memory {
    /// Words of a row of all planes.
    pub(super) fn row(&self) -> usize {
        self.columns * self.planes
    }

    /// Its ring has so many rows, or a multiple: two rows that are read at once are a slot of it, and so are those of
    /// interleaved parts.
    pub(super) fn multiple(&self) -> usize {
        if self.pairs { lcm(self.multiple, 2) } else { self.multiple }
    }

    /// Words of all of it.
    pub(super) fn whole(&self) -> usize {
        self.row() * self.h
    }

    /// Whether its tensors can lie in external memory between groups.
    pub(super) fn can_spill(&self) -> bool {
        self.rows && !self.apart && !self.cuts.is_empty()
    }

    /// The planes of a place in a memory that can lie outside.
    fn planes_of(&self, place: &Place) -> Range<usize> {
        self.cuts[place.from]..self.cuts[place.to]
    }
}

/// Where a tensor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) memory: usize,
    /// Its first piece of the memory, and the one behind its last; of a memory without pieces 0 and 1.
    from: usize,
    to: usize,
    /// Its row r is the memory's `step * r + origin`.
    step: usize,
    origin: usize,
}

impl Place {
    /// The memory's rows that are there with the first `rows` of the tensor's.
    pub(super) fn end(&self, rows: usize) -> usize {
        rows.checked_sub(1).map_or(0, |last| last * self.step + self.origin + 1)
    }

    /// The memory's row, if there is such a row.
    pub(super) fn row(&self, row: usize) -> usize {
        row.saturating_mul(self.step).saturating_add(self.origin)
    }

    /// How many rows of the tensor's are among the memory's first ones.
    pub(super) fn among(&self, rows: usize) -> usize {
        rows.saturating_sub(self.origin).div_ceil(self.step)
    }

    /// Whether words are in both.
    pub(super) fn meets(&self, other: &Place) -> bool {
        self.memory == other.memory && self.from < other.to && other.from < self.to
    }

    /// All of a memory that has one piece.
    pub(super) fn all(memory: usize) -> Place {
        Place { memory, from: 0, to: 1, step: 1, origin: 0 }
    }

    /// Each of its pieces.
    pub(super) fn pieces(self) -> impl Iterator<Item = Place> {
        (self.from..self.to).map(move |from| Place { from, to: from + 1, ..self })
    }
}

/// The layers that read a piece, and those that write it, ascending.
#[derive(Clone, Debug, Default)]
struct Users {
    readers: Vec<usize>,
    writers: Vec<usize>,
}

/// The plan's layers and what they read and write.
#[derive(Debug)]
pub(super) struct Network<'p, 'a> {
    pub(super) plan: &'p Plan<'a>,
    pub(super) memories: Vec<Memory>,
    /// For each layer: its input and its other operand, and what it writes.
    pub(super) input: Vec<Place>,
    pub(super) other: Vec<Option<Place>>,
    pub(super) output: Vec<Place>,
    /// Products' second factors: all of it while the layer runs.
    pub(super) factor: Vec<Option<Place>>,
    /// The network's input, where there is one: of several each keeps its memory whole.
    pub(super) from: Option<usize>,
    /// Cycles until its rows are there.
    pub(super) arrival: Vec<usize>,
    /// Words of the network's outputs.
    pub(super) sent: usize,
    /// Who reads and who writes each piece of each memory.
    users: Vec<Vec<Users>>,
    /// Words of the scratchpad at most.
    pub(super) room: usize,
    /// Beats of a word, and cycles of a move without beats.
    pub(super) bus: [usize; 2],
}

impl<'p, 'a> Network<'p, 'a> {
    pub(super) fn of(plan: &'p Plan<'a>, room: usize, bus: [usize; 2]) -> Network<'p, 'a> {
        let layers = &plan.layers;
        let mut memories: Vec<Memory> = Vec::new();
        let mut index = BTreeMap::new();
        for (&port, (map, region)) in &plan.layouts {
            if region.owner != port {
                continue;
            }
            let folded = layers.iter().find(|l| l.layer.input == port);
            let map = folded.map_or(map, |l| if plan.ends.inputs.contains(&port) { &l.map } else { map });
            index.insert(port, memories.len());
            memories.push(Memory {
                owner: port,
                columns: map.row,
                planes: map.blocks,
                h: map.h,
                rows: true,
                multiple: 1,
                pairs: map.row % (2 * PAIR_PITCH) == PAIR_PITCH,
                touch: [usize::MAX, 0],
                apart: plan.ends.contains(port),
                cuts: vec![0, map.blocks],
                spilled: false,
            });
        }
        let mut interleaved = vec![false; memories.len()];
        for id in plan.graph.ids() {
            let IntOp::Concat(concat) = &plan.graph.node(id).op else { continue };
            let Some((_, region)) = plan.layouts.get(&Port::from(id)) else { continue };
            let memory = &mut memories[index[&region.owner]];
            match concat {
                Concat::Channels => {}
                Concat::Columns => memory.cuts.clear(),
                Concat::Interleave(_) => {
                    interleaved[index[&region.owner]] = true;
                    memory.cuts.clear();
                }
                // Operands that stand below each other keep their memory whole.
                Concat::Rows => {
                    memory.rows = false;
                    memory.cuts.clear();
                }
            }
        }
        let planes = |port: Port| {
            let (map, region) = plan.layouts.get(&port)?;
            let first = region.offset.checked_div(map.plane).unwrap_or(0);
            Some((index[&region.owner], first..first + map.blocks))
        };
        for (memory, of) in plan.layouts.keys().filter_map(|&port| planes(port)) {
            let memory = &mut memories[memory];
            if !memory.cuts.is_empty() && !memory.apart {
                memory.cuts.extend([of.start, of.end]);
            }
        }
        let step = |map: &Map, columns: usize| map.row.checked_div(columns).unwrap_or(1);
        for (map, region) in plan.layouts.values() {
            let at = index[&region.owner];
            if interleaved[at] {
                memories[at].multiple = lcm(memories[at].multiple, step(map, memories[at].columns));
            }
        }
        for memory in &mut memories {
            memory.cuts.sort_unstable();
            memory.cuts.dedup();
        }
        let at = |port: Port| {
            let (memory, planes) = planes(port).unwrap_or((0, 0..0));
            let cuts = &memories[memory].cuts;
            let before = |plane: usize| cuts.partition_point(|&cut| cut < plane);
            if cuts.len() > 2 {
                return Place { from: before(planes.start), to: before(planes.end), ..Place::all(memory) };
            }
            let Memory { columns, multiple, .. } = memories[memory];
            match plan.layouts.get(&port).filter(|_| multiple > 1) {
                Some((map, region)) => Place {
                    step: step(map, columns),
                    origin: region.offset % map.plane / columns,
                    ..Place::all(memory)
                },
                None => Place::all(memory),
            }
        };
        let input: Vec<Place> = layers.iter().map(|l| at(l.layer.input)).collect();
        let output: Vec<Place> = layers.iter().map(|l| at(Port::from(l.layer.last))).collect();
        let other: Vec<Option<Place>> = layers.iter().map(|l| l.layer.residual().map(at)).collect();
        let factor: Vec<Option<Place>> =
            layers.iter().map(|l| l.layer.factor().map(|factor| at(factor.port))).collect();
        let ends = |ports: &[Port]| ports.iter().map(|&port| at(port).memory).collect::<Vec<_>>();
        let (inputs, outputs) = (ends(&plan.ends.inputs), ends(&plan.ends.outputs));
        for place in factor.iter().flatten() {
            memories[place.memory].rows = false;
        }
        // An addition's operand and its result have rings of as many rows.
        for place in other
            .iter()
            .zip(&output)
            .filter_map(|(other, y)| other.as_ref().map(|other| [other, y]))
            .flatten()
        {
            memories[place.memory].rows &= place.step == 1;
        }
        for i in 0..layers.len() {
            for place in [Some(&input[i]), Some(&output[i]), other[i].as_ref(), factor[i].as_ref()] {
                let Some(place) = place else { continue };
                let [first, last] = memories[place.memory].touch;
                memories[place.memory].touch = [first.min(i), last.max(i)];
            }
        }
        let sent = outputs.iter().map(|&m| memories[m].whole()).sum();
        for &m in &outputs {
            memories[m].rows = false;
        }
        let only = plan.ends.only_input();
        for &m in &inputs {
            let added = other.iter().flatten().any(|place| place.memory == m);
            memories[m].rows &= only.is_some() && !added;
        }
        let from = only.map(|_| inputs[0]);
        let arrival = only.map_or(vec![], |input| super::fold::arrival(plan, input, &plan.folds[0]).0);
        let pieces = |memory: &Memory| memory.cuts.len().saturating_sub(1).max(1);
        let mut users: Vec<Vec<Users>> =
            memories.iter().map(|memory| vec![Users::default(); pieces(memory)]).collect();
        for layer in 0..layers.len() {
            for place in
                [Some(&input[layer]), other[layer].as_ref(), factor[layer].as_ref()].into_iter().flatten()
            {
                for of in &mut users[place.memory][place.from..place.to] {
                    if of.readers.last() != Some(&layer) {
                        of.readers.push(layer);
                    }
                }
            }
            for of in &mut users[output[layer].memory][output[layer].from..output[layer].to] {
                of.writers.push(layer);
            }
        }
        Network { plan, memories, input, other, output, factor, from, arrival, sent, users, room, bus }
    }

    /// Layers that read some of a place, ascending.
    pub(super) fn readers(&self, of: &Place) -> Vec<usize> {
        let mut all: Vec<usize> = self.users(of).flat_map(|users| &users.readers).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Layers that write some of a place, ascending.
    pub(super) fn writers(&self, of: &Place) -> Vec<usize> {
        let mut all: Vec<usize> = self.users(of).flat_map(|users| &users.writers).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn users(&self, of: &Place) -> impl Iterator<Item = &Users> {
        self.users[of.memory][of.from..of.to].iter()
    }

    /// What a layer reads.
    pub(super) fn operands(&self, layer: usize) -> impl Iterator<Item = &Place> {
        let places = [Some(&self.input[layer]), self.other[layer].as_ref(), self.factor[layer].as_ref()];
        places.into_iter().flatten()
    }

    /// What a layer reads and writes.
    pub(super) fn touched(&self, layer: usize) -> impl Iterator<Item = &Place> {
        self.operands(layer).chain([&self.output[layer]])
    }

    /// Whether a layer's window is read from there.
    pub(super) fn walks(&self, layer: usize, of: &Place) -> bool {
        self.input[layer].meets(of)
    }

    /// Whether what a layer adds is there.
    pub(super) fn adds(&self, layer: usize, of: &Place) -> bool {
        self.other[layer].as_ref().is_some_and(|other| other.meets(of))
    }

    /// The first row that a layer reads of its input for its output rows from `row` on; none if there are no more.
    fn first_read(&self, layer: usize, row: usize) -> usize {
        let l = &self.plan.layers[layer];
        if row >= l.layer.y.shape[1] {
            return usize::MAX;
        }
        let first = l.reads(&(row..row + 1)).start;
        if self.memories[self.input[layer].memory].pairs { first / 2 * 2 } else { first }
    }

    /// The first row of a place that a layer still needs when its output's rows before `row` are there.
    pub(super) fn first_needed(&self, of: &Place, layer: usize, row: usize) -> usize {
        let by_window = if self.walks(layer, of) {
            self.input[layer].row(self.first_read(layer, row))
        } else {
            usize::MAX
        };
        let done = row >= self.plan.layers[layer].layer.y.shape[1];
        let added = self.other[layer].filter(|other| other.meets(of) && !done);
        let by_addition = added.map_or(usize::MAX, |other| other.row(row));
        let factor = self.factor[layer].as_ref().is_some_and(|factor| factor.meets(of));
        let by_product = if factor && !done { 0 } else { usize::MAX };
        by_window.min(by_addition).min(by_product)
    }

    /// Whether only these layers touch a memory, so that it may hold some rows at a time.
    pub(super) fn inside(&self, m: usize, [first, last]: [usize; 2]) -> bool {
        let Memory { touch: [from, to], rows, apart, .. } = self.memories[m];
        rows && from >= first && to <= last && !apart
    }

    /// Whether a memory's words are outside before these layers, or behind them.
    pub(super) fn outside(&self, m: usize, layers: [usize; 2]) -> bool {
        self.memories[m].spilled && !self.inside(m, layers)
    }

    /// Memories that are in use while these layers run, without the network's only input.
    pub(super) fn in_use(&self, [first, last]: [usize; 2]) -> impl Iterator<Item = usize> {
        let in_use = move |m: &usize| {
            let Memory { touch: [from, to], apart, spilled, .. } = self.memories[*m];
            let touches = |l| self.touched(l).any(|place| place.memory == *m);
            let alive = from <= last && to >= first && (!spilled || (first..=last).any(touches));
            Some(*m) != self.from && (apart || alive)
        };
        (0..self.memories.len()).filter(in_use)
    }

    /// Planes of a memory that are on the chip while these layers run: from the first that they touch to the last, where it
    /// lies outside otherwise.
    pub(super) fn planes(&self, m: usize, [first, last]: [usize; 2]) -> Range<usize> {
        let memory = &self.memories[m];
        if !self.outside(m, [first, last]) {
            return 0..memory.planes;
        }
        let touched = (first..=last).flat_map(|l| self.touched(l)).filter(|place| place.memory == m);
        let planes = touched.map(|place| memory.planes_of(place));
        planes.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
    }

    /// Words of a row of them.
    pub(super) fn row(&self, m: usize, layers: [usize; 2]) -> usize {
        self.memories[m].columns * self.planes(m, layers).len()
    }

    /// Rows of a piece that are moved; their places are not known yet.
    pub(super) fn moved(&self, piece: &Place, rows: Range<usize>) -> Move {
        let memory = &self.memories[piece.memory];
        Move::of(memory.owner, memory.planes_of(piece), memory.columns, rows)
    }
}
