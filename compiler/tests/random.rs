//! Random integer graphs for the property tests: of the executor against ONNX Runtime, and of the RTL against the
//! executor. A file of both test crates; each names the library `o2c` beside this module.
//!
//! In: a seed and a [`Profile`]. Out: one graph, the same for the same seed; some have a second input, or further outputs. Covered:
//! windows larger and smaller than their strides, uneven pads, dilations, ceil_mode, windows of pads alone; uint8 and
//! int8; zero points at both ends; 9-bit weights; channels with scales near 1e-9 and biases near 2^30; scales that
//! only the exact lane fits; several readers, the input read again late, x + x; results that nobody reads.

use super::o2c;

use ndarray::{Array4, ArrayD, IxDyn};
use o2c::arith::{
    AddForm, AddSpec, AverageForm, AverageSpec, ProductForm, ProductSpec, RescaleSpec, channel_table,
    unary_table,
};
use o2c::exec::Data;
use o2c::graph::expression::{Binary, Expression, Operand, Quantization, Step};
use o2c::graph::int::*;
use o2c::graph::{NodeId, Port, Value};

/// What a graph may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// Nodes, at least and at most (additions bring further ones along).
    pub(crate) nodes: (i32, i32),
    /// Most multiplications of one convolution.
    pub(crate) macs: usize,
    /// Dilated averages, uint8 turned into int8: what the hardware can do, and the export does not write.
    pub(crate) beyond: bool,
    /// Inputs of many rows: what lies between the layers is more than their weights.
    pub(crate) tall: bool,
}

/// Deterministic pseudo-random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub(crate) fn range(&mut self, lo: i32, hi: i32) -> i32 {
        lo + i32::try_from(self.next() % u64::try_from(hi - lo + 1).unwrap()).unwrap()
    }
    pub(crate) fn size(&mut self, lo: usize, hi: usize) -> usize {
        lo + usize::try_from(self.next() % u64::try_from(hi - lo + 1).unwrap()).unwrap()
    }
    fn real(&mut self, lo: f32, hi: f32) -> f32 {
        lo + (hi - lo) * self.range(0, 9999) as f32 * 1e-4
    }
    fn chance(&mut self, percent: i32) -> bool {
        self.range(0, 99) < percent
    }
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.size(0, from.len() - 1)]
    }
}

/// What a window belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Conv,
    Max,
    Average,
}

struct Net {
    g: IntGraph,
    rng: Rng,
    profile: Profile,
    offset: i32,
    count: usize,
    /// Every tensor that may be read.
    ports: Vec<Port>,
}

/// The graph of a seed.
pub(crate) fn graph(seed: u64, profile: Profile) -> IntGraph {
    let (mut net, mut x) = Net::new(seed, profile);
    let input = x;
    let nodes = net.rng.range(profile.nodes.0, profile.nodes.1);
    for i in 0..nodes {
        if i == 0 && net.rng.chance(60) {
            // The ingest unit folds the kernel into the word where nobody else reads the input.
            x = net.conv(x, false);
            net.ports.retain(|&p| p != input);
            continue;
        }
        x = net.step(x);
    }
    if net.rng.chance(40) {
        x = net.global_average(x);
    } else if net.rng.chance(25) {
        // Several layers write the result.
        x = net.concat(x);
    }
    if net.rng.chance(40) && net.fact_of(x).len() <= 600 {
        x = net.conv(x, true);
    }
    if profile.beyond && net.rng.chance(25) {
        net.offset ^= 128;
        x = net.requantize(x);
    }
    // A choice of its own, so that other graphs keep their seeds.
    let mut ends = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x0ead_beef);
    if ends.chance(35) {
        x = net.with_input(x);
    }
    let mut lines = Rng(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5eed_0123);
    if lines.chance(30) {
        x = net.lines(x, &mut lines);
        x = net.conv(x, false);
    }
    net.output("output", x);
    if ends.chance(35) {
        let others: Vec<Port> = net.ports.iter().copied().filter(|&port| port != x).collect();
        let count = if others.is_empty() { 0 } else { ends.size(1, 2) };
        for name in ["output2", "output3"].into_iter().take(count) {
            net.output(name, ends.pick(&others));
        }
    }
    net.g
}

impl Net {
    fn new(seed: u64, profile: Profile) -> (Net, Port) {
        let mut rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x1234_5678);
        let offset = if rng.chance(50) { 128 } else { 0 };
        let shape = match rng.range(0, 9) {
            _ if profile.tall => [rng.size(2, 8), rng.size(20, 40), rng.size(8, 16)],
            0 => [rng.size(1, 40), 1, 1],
            1 => [rng.size(1, 5), rng.size(1, 2), rng.size(20, 48)],
            2 => [rng.size(1, 5), rng.size(20, 48), rng.size(1, 2)],
            3 => [rng.size(17, 70), rng.size(2, 5), rng.size(2, 5)],
            4 | 5 => [rng.size(5, 19), rng.size(4, 9), rng.size(4, 9)],
            _ => [rng.size(1, 4), rng.size(5, 14), rng.size(5, 14)],
        };
        let mut net = Net { g: IntGraph::default(), rng, profile, offset, count: 0, ports: vec![] };
        let input = net.input("quantize", "input", shape);
        (net, input)
    }

    fn input(&mut self, node: &str, name: &str, shape: [usize; 3]) -> Port {
        let [c, h, w] = shape;
        let offset = self.offset;
        let fact = self.fact(shape);
        let dtype = match self.rng.range(0, 2) {
            0 if offset == 128 => HostType::U8,
            0 => HostType::I8,
            _ => HostType::F32,
        };
        // Channels first, channels last, or an order that only a Gather expresses.
        let elements = u32::try_from(c * h * w).unwrap();
        let arrangement = match self.rng.range(0, 2) {
            0 => Arrangement { onnx_shape: vec![1, c, h, w], source: None },
            1 => Arrangement { onnx_shape: vec![1, h, w, c], source: Some(channels_last(shape)) },
            _ => Arrangement { onnx_shape: vec![1, c * h * w], source: Some((0..elements).rev().collect()) },
        };
        let input = IntOp::Input(HostInput { dtype, prepare: None, rule: None, arrangement });
        let id = self.g.add(node, input, &[], vec![Value { name: name.into(), fact }]);
        self.ports.push(id.into());
        id.into()
    }

    /// x with a further input: added, multiplied, or added behind a convolution, which may be folded.
    fn with_input(&mut self, x: Port) -> Port {
        let [c, h, w] = self.fact_of(x).shape;
        let kind = self.rng.range(0, 3);
        let shape = match kind {
            0 => [c, 1, 1],
            1 if self.rng.chance(50) => [1, h, w],
            _ => [c, h, w],
        };
        let other = self.input("quantize2", "input2", shape);
        match kind {
            0 | 1 => self.product_of(x, other),
            2 => {
                let other = self.same_conv(other);
                self.sum(x, other)
            }
            _ => self.sum(other, x),
        }
    }

    /// One node, or an addition with what it adds, on the newest tensor or an earlier one.
    fn step(&mut self, newest: Port) -> Port {
        let mut x = newest;
        let [_, h, w] = self.fact_of(x).shape;
        // Maps only shrink: go back to a larger one where this one has become a point.
        if self.rng.chance(if h * w < 12 { 50 } else { 12 }) {
            x = self.rng.pick(&self.ports);
        }
        match self.rng.range(0, 99) {
            0..=29 => self.conv(x, false),
            30..=35 => self.concat(x),
            36..=39 => self.select(x),
            40..=49 => self.table(x),
            50..=61 => self.max_pool(x),
            62..=73 => self.average(x),
            74..=81 => self.product(x),
            _ => self.addition(x),
        }
    }

    fn fact_of(&self, x: Port) -> QFact {
        self.g.value(x).fact.clone()
    }

    fn fact(&mut self, shape: [usize; 3]) -> QFact {
        let zero_point = match self.rng.range(0, 9) {
            0..=2 => -128,
            3 => 127,
            4 => 0,
            _ => self.rng.range(-128, 127),
        };
        // Powers of two make float32 averages exact, and rescales that end on ties; so do hundredths, almost.
        let scale = match self.rng.range(0, 9) {
            0..=3 => self.power(-7, -3),
            4 => self.rng.range(1, 9) as f32 / 100.0,
            _ => self.rng.range(1000, 9999) as f32 * 1e-5,
        };
        QFact { shape, bits: 8, scale, zero_point, source_offset: self.offset }
    }

    fn power(&mut self, lo: i32, hi: i32) -> f32 {
        (self.rng.range(lo, hi) as f32).exp2()
    }

    fn add(&mut self, op: IntOp, inputs: &[Port], fact: QFact) -> Port {
        self.count += 1;
        let name = format!("node{}", self.count);
        let port = self.g.add(&name, op, inputs, vec![Value { name: format!("{name}:0"), fact }]).into();
        self.ports.push(port);
        port
    }

    fn bounds(&mut self, zero_point: i32) -> (i32, i32) {
        match self.rng.range(0, 3) {
            0 => (-128, 127),
            1 => (zero_point, 127),
            2 => (self.rng.range(-128, -20), self.rng.range(20, 127)),
            _ => {
                let lo = self.rng.range(-128, 127);
                (lo, self.rng.range(lo, 127))
            }
        }
    }

    fn window(&mut self, x: [usize; 3], of: Use) -> (Window, [usize; 2]) {
        let mut w = Window::POINT;
        let mut out = [0; 2];
        let ceil = of != Use::Conv && self.rng.chance(30);
        for i in 0..2 {
            let size = x[i + 1];
            loop {
                w.kernel[i] = self.rng.size(1, 5);
                // Some exceed the window of depthwise layers.
                if of == Use::Conv && w.kernel[i] == 5 {
                    w.kernel[i] = self.rng.clone().size(5, 7);
                }
                w.strides[i] = self.rng.pick(&[1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 6]);
                let dilate = of != Use::Average || self.profile.beyond;
                w.dilations[i] = if dilate && self.rng.chance(30) { self.rng.size(2, 3) } else { 1 };
                let reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
                let most = match of {
                    Use::Conv if self.rng.chance(15) => reach + 1,
                    Use::Conv => reach - 1,
                    Use::Max | Use::Average => w.kernel[i] - 1,
                };
                for pad in [i, i + 2] {
                    w.pads[pad] = if self.rng.chance(35) { 0 } else { self.rng.size(0, most) };
                }
                let Some(room) = (size + w.pads[i] + w.pads[i + 2]).checked_sub(reach) else { continue };
                out[i] = room / w.strides[i] + 1;
                // ceil_mode: a last window that hangs over the edge, unless it would start in the pads.
                if ceil {
                    let more = room.div_ceil(w.strides[i]) + 1;
                    if (more - 1) * w.strides[i] < size + w.pads[i] {
                        out[i] = more;
                    }
                }
                // The average of no values is not defined.
                let covered = |o: usize| {
                    (0..w.kernel[i]).any(|k| {
                        let at = o * w.strides[i] + k * w.dilations[i];
                        at >= w.pads[i] && at < w.pads[i] + size
                    })
                };
                if of != Use::Average || (0..out[i]).all(covered) {
                    break;
                }
            }
        }
        (w, out)
    }

    fn conv(&mut self, x: Port, whole: bool) -> Port {
        let shape = self.fact_of(x).shape;
        let (window, out) = if whole {
            (Window { kernel: [shape[1], shape[2]], ..Window::POINT }, [1, 1])
        } else {
            self.window(shape, Use::Conv)
        };
        // Fewer rows and columns than fit, as a ConvTranspose's parts may have.
        let out = out.map(|n| if self.rng.chance(10) { self.rng.size(1, n) } else { n });
        let most = self.rng.pick(&[3, 9, 20, 37]);
        let channels = self.rng.size(1, most);
        self.conv_of(x, window, [channels, out[0], out[1]])
    }

    /// A convolution whose result has its operand's shape.
    fn same_conv(&mut self, x: Port) -> Port {
        let shape = self.fact_of(x).shape;
        let mut w = Window::POINT;
        for i in 0..2 {
            w.kernel[i] = self.rng.size(1, 4);
            if w.kernel[i] == 4 {
                w.kernel[i] = self.rng.clone().size(4, 7);
            }
            w.dilations[i] = self.rng.size(1, 2);
            let both = (w.kernel[i] - 1) * w.dilations[i];
            w.pads[i] = self.rng.size(0, both);
            w.pads[i + 2] = both - w.pads[i];
        }
        self.conv_of(x, w, shape)
    }

    fn conv_of(&mut self, x: Port, mut window: Window, y: [usize; 3]) -> Port {
        let xf = self.fact_of(x);
        let [mut co, h, w] = y;
        // Depthwise, with a channel multiplier where the result's shape is free; or any groups that divide both.
        let mut groups = 1;
        if self.rng.chance(40) {
            let channels = xf.shape[0];
            if y != xf.shape && self.rng.chance(60) {
                co = channels * self.rng.size(1, 3);
            }
            let divisors: Vec<usize> =
                (1..=channels).filter(|&n| channels.is_multiple_of(n) && co.is_multiple_of(n)).collect();
            groups =
                if self.rng.chance(60) { divisors[divisors.len() - 1] } else { self.rng.pick(&divisors) };
        }
        let cg = xf.shape[0] / groups;
        let cost = |co: usize, window: &Window| co * cg * window.kernel[0] * window.kernel[1] * h * w;
        if cost(co, &window) > self.profile.macs && groups == 1 && y != xf.shape {
            co = (self.profile.macs / cost(1, &window).max(1)).clamp(1, co);
        }
        if cost(co, &window) > self.profile.macs && y == xf.shape {
            window = Window::POINT;
        }
        let fact = self.fact([co, h, w]);
        // int8, or uint8 with a zero point of its own: 9 bits.
        let shift = if self.rng.chance(50) { 0 } else { self.rng.pick(&[-127, 128, 1, 40, -90]) };
        let taps = cg * window.kernel[0] * window.kernel[1];
        let mut weights = Vec::with_capacity(co * taps);
        for _ in 0..co {
            let kind = self.rng.range(0, 9);
            for _ in 0..taps {
                let w = match kind {
                    0 => self.rng.pick(&[-128, 127]),
                    1 => 0,
                    2 => self.rng.range(-2, 2),
                    _ => self.rng.range(-128, 127),
                };
                weights.push(i16::try_from(w + shift).unwrap());
            }
        }
        // The result's spread is a fraction or a few times the output's range.
        let spread = (taps as f32).sqrt() * 74.0 * (74.0 + shift.unsigned_abs() as f32);
        let unit = fact.scale / xf.scale;
        let per_channel = if self.rng.chance(60) { co } else { 1 };
        let ties = self.rng.chance(20);
        let dead = per_channel > 1 && self.rng.chance(30);
        let mut bias: Vec<i32> = (0..co).map(|_| self.rng.range(-20_000, 20_000)).collect();
        let mut weight_scale: Vec<f32> = Vec::with_capacity(per_channel);
        for bias in &mut bias[..per_channel] {
            weight_scale.push(if dead && self.rng.chance(25) {
                let sign = if self.rng.chance(50) { 1 } else { -1 };
                *bias = sign * ((1 << 30) + self.rng.range(-70_000_000, 70_000_000));
                self.rng.real(0.2, 9.0) * 1e-9 * unit
            } else if ties {
                // Exact in float32 where both scales are powers of two.
                unit * (60.0 / spread).log2().round().exp2() * self.rng.pick(&[1.0, 0.5, 3.0, 1.5, 0.75])
            } else {
                unit * 60.0 / spread * self.rng.real(0.3, 3.0)
            });
        }
        let (lo, hi) = self.bounds(fact.zero_point);
        let conv = Conv {
            window,
            groups,
            weight: Array4::from_shape_vec((co, cg, window.kernel[0], window.kernel[1]), weights).unwrap(),
            bias,
            rescale: RescaleSpec {
                scale: weight_scale.iter().map(|s| (xf.scale * s) / fact.scale).collect(),
                zero_point: fact.zero_point,
                lo,
                hi,
            },
            weight_scale,
            form: ConvForm::Integer,
        };
        self.add(IntOp::Conv(conv), &[x], fact)
    }

    /// x and other tensors beside each other along any axis, or interleaved: earlier ones of its rows and columns, x again,
    /// or a convolution of it.
    fn concat(&mut self, x: Port) -> Port {
        let xf = self.fact_of(x);
        let [own, h, w] = xf.shape;
        let (concat, more) = match self.rng.range(0, 9) {
            0 if h * w < 150 => (Concat::Rows, 1),
            1 if h * w < 150 => (Concat::Columns, 2),
            2 if h * w < 150 => (Concat::Interleave([1, 2]), 1),
            3 if h * w < 150 => (Concat::Interleave([2, 1]), 1),
            4 if h * w < 80 => (Concat::Interleave([2, 2]), 3),
            _ => (Concat::Channels, self.rng.size(1, 2)),
        };
        let alike = |net: &Net, port: Port| {
            let f = net.fact_of(port);
            f.shape[1..] == xf.shape[1..]
                && f.source_offset == xf.source_offset
                && if concat == Concat::Channels { f.shape[0] + own < 60 } else { f.shape[0] == own }
        };
        let fact = self.fact(xf.shape);
        let mut operands = vec![x];
        for _ in 0..more {
            let earlier: Vec<Port> = self.ports.iter().copied().filter(|&p| alike(self, p)).collect();
            let other = match self.rng.range(0, 9) {
                0 => x,
                1..=3 if !earlier.is_empty() => self.rng.pick(&earlier),
                // A convolution's channels may be changed by its groups, but not where the shapes are the same.
                _ if concat != Concat::Channels => self.same_conv(x),
                _ => {
                    let channels = self.rng.size(1, 20);
                    self.conv_of(x, Window::POINT, [channels, h, w])
                }
            };
            operands.push(other);
        }
        let mut shapes = vec![];
        for operand in &mut operands {
            let of = self.fact_of(*operand);
            shapes.push(of.shape);
            if (of.scale, of.zero_point) != (fact.scale, fact.zero_point) {
                let y = QFact { shape: of.shape, ..fact.clone() };
                let source = TableSource::Requantize;
                let table = unary_table(&source, &of, &y).expect("a table");
                *operand = self.add(IntOp::Table(Table { table, source }), &[*operand], y);
            }
        }
        let (_, shape) = concat.parts(&shapes).expect("shapes that fit together");
        self.add(IntOp::Concat(concat), &operands, QFact { shape, ..fact })
    }

    /// Some of x's channels, rows and columns, and padding.
    fn select(&mut self, x: Port) -> Port {
        let fact = self.fact_of(x);
        let [c, h, w] = fact.shape;
        let mut channels: Vec<Option<usize>> = match self.rng.range(0, 3) {
            0 => (0..c).map(Some).collect(),
            1 => (0..c).rev().map(Some).collect(),
            2 => (self.rng.size(0, c - 1)..c).map(Some).collect(),
            _ => (0..self.rng.size(1, 20)).map(|_| Some(self.rng.size(0, c - 1))).collect(),
        };
        for _ in 0..self.rng.pick(&[0, 0, 1, 5, 17]) {
            channels.insert(self.rng.size(0, channels.len()), None);
        }
        let (mut origin, mut steps, mut shape) = ([0; 2], [1; 2], [channels.len(), h, w]);
        for d in 0..2 {
            let size = fact.shape[d + 1];
            steps[d] = self.rng.pick(&[1, 1, 1, 2, 3]);
            let before = self.rng.range(0, 2) - self.rng.range(0, 2).min(i32::try_from(size).unwrap() - 1);
            origin[d] = -i64::from(before);
            // The first place from `origin` that lies inside is kept, so something is selected.
            let first = usize::try_from(before.max(0)).unwrap().div_ceil(steps[d]);
            let most = (i64::try_from(size).unwrap() + 2 - origin[d]) / i64::try_from(steps[d]).unwrap();
            shape[d + 1] = self.rng.size(first + 1, usize::try_from(most).unwrap().max(first + 1));
            if i64::try_from(first * steps[d]).unwrap() + origin[d] >= i64::try_from(size).unwrap() {
                (origin[d], steps[d], shape[d + 1]) = (0, 1, size);
            }
        }
        let fill = if self.rng.chance(70) { fact.zero_point } else { self.rng.range(-128, 127) };
        let exchanged = self.rng.chance(30);
        if exchanged {
            shape.swap(1, 2);
        }
        let select = Select { channels, origin, steps, fill, exchanged };
        self.add(IntOp::Select(select), &[x], QFact { shape, ..fact })
    }

    /// x plus a tensor of its shape: itself, any earlier one, a table of it, or a convolution of it.
    fn addition(&mut self, x: Port) -> Port {
        let shape = self.fact_of(x).shape;
        let alike: Vec<Port> =
            self.ports.iter().copied().filter(|&p| self.g.value(p).fact.shape == shape).collect();
        let other = match self.rng.range(0, 9) {
            0 => x,
            1 | 2 => self.table(x),
            3 | 4 if alike.len() > 1 => self.rng.pick(&alike),
            _ => self.same_conv(x),
        };
        if self.rng.chance(50) { self.sum(x, other) } else { self.sum(other, x) }
    }

    fn sum(&mut self, a: Port, b: Port) -> Port {
        let form = self.rng.pick(&[AddForm::QLinear, AddForm::QLinear, AddForm::Float, AddForm::Difference]);
        let mut fact = self.fact(self.fact_of(a).shape);
        if form != AddForm::QLinear {
            // Ties that are none in float32 have no tables: see quant's own tests.
            fact.scale = self.rng.range(1001, 9999) as f32 * 1e-5;
        }
        let side = |f: &QFact| (f.scale, f.zero_point + f.source_offset, f.source_offset);
        let (lo, hi) = self.bounds(fact.zero_point);
        let spec =
            AddSpec { form, a: side(&self.fact_of(a)), b: side(&self.fact_of(b)), y: side(&fact), lo, hi };
        self.add(IntOp::Add(Add { spec }), &[a, b], fact)
    }

    /// x times a tensor of its shape, or of one channel, row or column for all of x's.
    fn product(&mut self, x: Port) -> Port {
        let xf = self.fact_of(x);
        let [c, h, w] = xf.shape;
        let other = match self.rng.range(0, 7) {
            0 => self.table(x),
            1 => x,
            2 | 3 => self.same_conv(x),
            4 | 5 => self.global_average(x),
            _ => {
                let one = |rng: &mut Rng, n: usize| if rng.chance(50) { 1 } else { n };
                let shape = [one(&mut self.rng, c), one(&mut self.rng, h), one(&mut self.rng, w)];
                let channels = (0..shape[0]).map(Some).collect();
                let select =
                    Select { channels, origin: [0, 0], steps: [1, 1], fill: xf.zero_point, exchanged: false };
                self.add(IntOp::Select(select), &[x], QFact { shape, ..xf.clone() })
            }
        };
        self.product_of(x, other)
    }

    fn product_of(&mut self, x: Port, other: Port) -> Port {
        let (xf, of) = (self.fact_of(x), self.fact_of(other));
        let mut fact = self.fact(xf.shape);
        let form = self.rng.pick(&[ProductForm::QLinear, ProductForm::QLinear, ProductForm::Float]);
        let ties = form == ProductForm::QLinear && self.rng.chance(40);
        let steps = if ties { self.power(5, 8) } else { self.rng.real(30.0, 300.0) };
        fact.scale = xf.scale * of.scale * steps;
        let side = |f: &QFact| (f.scale, f.zero_point + f.source_offset, f.source_offset);
        let (lo, hi) = self.bounds(fact.zero_point);
        let spec = ProductSpec { form, a: side(&xf), b: side(&of), y: side(&fact), lo, hi };
        self.add(IntOp::Product(Product { spec }), &[x, other], fact)
    }

    fn table(&mut self, x: Port) -> Port {
        let xf = self.fact_of(x);
        let mut fact = self.fact(xf.shape);
        let source = match self.rng.range(0, 7) {
            0 => TableSource::Requantize,
            1 => TableSource::Clamp(self.rng.range(-100, 0), self.rng.range(1, 100)),
            2 => TableSource::QLinear("QLinearSigmoid", vec![]),
            3 => TableSource::QLinear("QLinearLeakyRelu", vec![("alpha", 0.1)]),
            4 => TableSource::Float("HardSwish", vec![]),
            5 => TableSource::Float("Clip", vec![("min", 0.0), ("max", 3.0)]),
            6 => TableSource::Expression(gated(&xf)),
            _ => TableSource::Float("Tanh", vec![]),
        };
        if let TableSource::Clamp(..) = source {
            fact = xf.clone();
        }
        if let TableSource::Expression(_) = source {
            // The expression's last step says what the integers mean.
            fact = QFact { scale: xf.scale / 2.0, zero_point: -20, ..xf.clone() };
        }
        let table = unary_table(&source, &xf, &fact).unwrap();
        self.add(IntOp::Table(Table { table, source }), &[x], fact)
    }

    /// BatchNormalization, or a constant product and sum, of each channel, of either sign, with or without Relu.
    fn lines(&mut self, x: Port, rng: &mut Rng) -> Port {
        let (xf, y) = (self.fact_of(x), self.fact(self.fact_of(x).shape));
        let of = |f: &QFact| Quantization::byte(f.scale, f.zero_point, f.source_offset);
        let channels = xf.shape[0];
        // Ten digits: float32 has no ties.
        let factors: Vec<f32> = (0..channels)
            .map(|_| y.scale / xf.scale * rng.real(0.2, 2.0) * rng.pick(&[1.0, 1.0, -1.0, 0.0]))
            .collect();
        let summands: Vec<f32> = (0..channels).map(|_| y.scale * rng.real(-40.0, 40.0)).collect();
        let [factor, summand] = [Operand::Channel(0), Operand::Channel(1)];
        let mut steps = vec![Step::Dequantize((Operand::X, of(&xf)))];
        if rng.chance(60) {
            steps.push(Step::BatchNormalization([Operand::Step(0), factor, summand]));
        } else {
            steps.push(Step::Arithmetic(Binary::Mul, [factor, Operand::Step(0)]));
            steps.push(Step::Arithmetic(Binary::Add, [Operand::Step(1), summand]));
        }
        if rng.chance(50) {
            steps.push(Step::Function("Relu", vec![], Operand::Step(steps.len() - 1)));
        }
        steps.push(Step::Quantize(Operand::Step(steps.len() - 1), of(&y)));
        let sign = |f: f32| if f == 0.0 { 0 } else { i16::try_from(f.signum() as i32).unwrap() };
        let e = Expression { steps, constants: vec![factors.clone(), summands] };
        let bytes = (0..channels).flat_map(|c| channel_table(&e, c).unwrap()).map(i32::from);
        let (lo, hi) = bytes.fold((127, -128), |(lo, hi), y| (lo.min(y), hi.max(y)));
        let conv = Conv {
            window: Window::POINT,
            groups: channels,
            weight: Array4::from_shape_fn((channels, 1, 1, 1), |(c, ..)| sign(factors[c])),
            bias: vec![0; channels],
            rescale: RescaleSpec {
                scale: factors.iter().map(|f| f.abs() * xf.scale / y.scale).collect(),
                zero_point: y.zero_point,
                lo,
                hi,
            },
            weight_scale: vec![1.0],
            form: ConvForm::Affine(e),
        };
        self.add(IntOp::Conv(conv), &[x], y)
    }

    fn requantize(&mut self, x: Port) -> Port {
        let xf = self.fact_of(x);
        let fact = self.fact(xf.shape);
        let table = unary_table(&TableSource::Requantize, &xf, &fact).unwrap();
        self.add(IntOp::Table(Table { table, source: TableSource::Requantize }), &[x], fact)
    }

    fn max_pool(&mut self, x: Port) -> Port {
        let xf = self.fact_of(x);
        let (window, [h, w]) = self.window(xf.shape, Use::Max);
        self.add(IntOp::MaxPool(MaxPool { window }), &[x], QFact { shape: [xf.shape[0], h, w], ..xf })
    }

    /// An average; a float32 one of a requantized operand where its sums would not be exact.
    fn average(&mut self, mut x: Port) -> Port {
        let shape = self.fact_of(x).shape;
        let (window, [h, w]) = self.window(shape, Use::Average);
        let whole = window.kernel == shape[1..] && window.pads == [0; 4];
        let linear = window.dilations == [1, 1] && !whole && self.rng.chance(50);
        if !linear && self.fact_of(x).scale.to_bits() & 0x7f_ffff != 0 {
            let mut fact = self.fact(self.fact_of(x).shape);
            fact.scale = self.power(-7, -3);
            let table = unary_table(&TableSource::Requantize, &self.fact_of(x), &fact).unwrap();
            x = self.add(IntOp::Table(Table { table, source: TableSource::Requantize }), &[x], fact);
        }
        let xf = self.fact_of(x);
        let form = if linear { AverageForm::QLinear } else { AverageForm::Float };
        // With a window that hangs over the edge the divisor is the opset's affair.
        let beyond = (0..2).any(|i| {
            let reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
            ([h, w][i] - 1) * window.strides[i] + reach
                > xf.shape[i + 1] + window.pads[i] + window.pads[i + 2]
        });
        let count_include_pad = self.rng.chance(50) && (!beyond || self.profile.beyond);
        self.average_of(x, window, [h, w], form, count_include_pad)
    }

    fn global_average(&mut self, x: Port) -> Port {
        let [_, h, w] = self.fact_of(x).shape;
        let window = Window { kernel: [h, w], ..Window::POINT };
        self.average_of(x, window, [1, 1], AverageForm::QLinearGlobal, false)
    }

    fn average_of(
        &mut self,
        x: Port,
        window: Window,
        [h, w]: [usize; 2],
        form: AverageForm,
        count_include_pad: bool,
    ) -> Port {
        let xf = self.fact_of(x);
        let mut fact = self.fact([xf.shape[0], h, w]);
        if self.rng.chance(40) {
            // As quantizers make it: input and output alike, with ties in plenty.
            (fact.scale, fact.zero_point) = (xf.scale, xf.zero_point);
        }
        let (lo, hi) = if self.rng.chance(70) { (-128, 127) } else { self.bounds(fact.zero_point) };
        let spec =
            AverageSpec { form, x: (xf.scale, xf.zero_point), y: (fact.scale, fact.zero_point), lo, hi };
        self.add(IntOp::AveragePool(AveragePool { window, count_include_pad, spec }), &[x], fact)
    }

    /// Dequantized output, or after a Softmax, or integers, or an index.
    fn output(&mut self, name: &str, x: Port) {
        let xf = self.fact_of(x);
        let [c, h, w] = xf.shape;
        let zero = xf.zero_point + xf.source_offset;
        let signed = xf.source_offset == 0;
        let byte = if signed { HostType::I8 } else { HostType::U8 };
        let arrangement = if self.rng.chance(50) {
            Arrangement { onnx_shape: vec![1, c * h * w], source: None }
        } else {
            Arrangement { onnx_shape: vec![1, h * w, c], source: Some(channels_last(xf.shape)) }
        };
        let axis = if self.rng.chance(70) { arrangement.onnx_shape.len() - 1 } else { 1 };
        let (keepdims, select_last_index) = (self.rng.chance(50), self.rng.chance(50));
        let argmax = HostStep::ArgMax { axis, keepdims, select_last_index };
        let dequantize = HostStep::Dequantize(xf.scale, zero);
        let output =
            (self.rng.pick(&[1.0 / 256.0, 0.005, 0.03]), if signed { -128 } else { self.rng.range(0, 9) });
        let (steps, dtype) = match self.rng.range(0, 7) {
            0 => (vec![], byte),
            1 => (vec![HostStep::Dequantize(xf.scale, zero)], HostType::F32),
            2 => (vec![dequantize, HostStep::Softmax(1)], HostType::F32),
            3 | 4 => (vec![dequantize, argmax], HostType::I64),
            5 => {
                let (largest, indices) = (self.rng.chance(50), self.rng.chance(50));
                let first = HostStep::TopK { axis, k: 1, largest, indices };
                (vec![dequantize, first], if indices { HostType::I64 } else { HostType::F32 })
            }
            6 => {
                let quantize = HostStep::Quantize(output.0, output.1, signed);
                (vec![dequantize, HostStep::Softmax(axis), quantize], byte)
            }
            _ => {
                let softmax = HostStep::QLinearSoftmax { axis, input: (xf.scale, zero), output, signed };
                (vec![softmax, HostStep::Dequantize(output.0, output.1)], HostType::F32)
            }
        };
        let output = HostOutput { dtype, arrangement, steps, head: None };
        let id = self.g.add(name, IntOp::Output(output), &[x], vec![]);
        self.g.outputs.push(id.into());
    }
}

/// Canonical order from a channels-last tensor.
fn channels_last([c, h, w]: [usize; 3]) -> Vec<u32> {
    (0..c).flat_map(|k| (0..h * w).map(move |p| u32::try_from(p * c + k).unwrap())).collect()
}

/// Samples for a graph's inputs; real numbers lie on rounding ties half of the time.
pub(crate) fn inputs(graph: &IntGraph, seed: u64, n: usize) -> Vec<Data> {
    let mut rng = Rng(seed ^ 0x5555);
    let ids = graph.ids().into_iter();
    ids.filter_map(|id| match &graph.node(id).op {
        IntOp::Input(input) => Some(samples(graph, id, input, &mut rng, n)),
        _ => None,
    })
    .collect()
}

fn samples(graph: &IntGraph, id: NodeId, input: &HostInput, rng: &mut Rng, n: usize) -> Data {
    let fact = &graph.value(id.into()).fact;
    let mut shape = input.arrangement.onnx_shape.clone();
    shape[0] = n;
    let count = shape.iter().product();
    let shape = IxDyn(&shape);
    let bytes: Vec<i32> = (0..count).map(|_| rng.range(-128, 127)).collect();
    match input.dtype {
        HostType::F32 => {
            let real = |q: &i32| ((q - fact.zero_point) as f32 + 0.5 * ((q & 1) as f32)) * fact.scale;
            Data::F32(ArrayD::from_shape_vec(shape, bytes.iter().map(real).collect()).unwrap())
        }
        HostType::U8 => {
            let v = bytes.iter().map(|q| u8::try_from(q + 128).unwrap()).collect();
            Data::U8(ArrayD::from_shape_vec(shape, v).unwrap())
        }
        HostType::I8 => {
            let v = bytes.iter().map(|q| i8::try_from(*q).unwrap()).collect();
            Data::I8(ArrayD::from_shape_vec(shape, v).unwrap())
        }
        HostType::I64 => panic!("no int64 inputs"),
    }
}

/// A count that an environment variable may raise.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |v| v.parse().unwrap())
}

/// x * Sigmoid(x), the gate rounded to 8 bits and a float factor on top.
fn gated(x: &QFact) -> Expression {
    let of = |f: &QFact| Quantization::byte(f.scale, f.zero_point, f.source_offset);
    let x = of(x);
    let gate = Quantization::byte(1.0 / 256.0, -128, x.offset);
    let y = Quantization::byte(x.scale / 2.0, -20, x.offset);
    let steps = vec![
        Step::QLinearFunction("QLinearSigmoid", vec![], (Operand::X, x), gate),
        Step::QLinearArithmetic(Binary::Mul, [(Operand::X, x), (Operand::Step(0), gate)], y),
        Step::Dequantize((Operand::Step(1), y)),
        Step::Arithmetic(Binary::Sub, [Operand::Float(0.25), Operand::Step(2)]),
        Step::Quantize(Operand::Step(3), y),
    ];
    Expression { steps, constants: Vec::new() }
}
