//! Random small graphs, exported, encoded, decoded and run by ONNX Runtime: every tensor equals the executor's.
//! Skipped with a note where there is no ONNX Runtime (set ORT_DYLIB_PATH).

mod files;
mod moves;

use ndarray::{Array4, ArrayD, IxDyn};

use crate::arith::{AddForm, AddSpec, AverageForm, AverageSpec, RescaleSpec, unary_table};
use crate::exec::Data;
use crate::graph::int::*;
use crate::graph::{Port, Value};
use crate::onnx;
use crate::reference::compare::{SettingResult, compare_export};
use crate::reference::export::{ExportOptions, WeightForm, export};
use crate::reference::ort::{Session, Setting, runtime};

/// Deterministic pseudo-random numbers (SplitMix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn range(&mut self, lo: i32, hi: i32) -> i32 {
        lo + i32::try_from(self.next() % u64::try_from(hi - lo + 1).unwrap()).unwrap()
    }
    fn size(&mut self, lo: i32, hi: i32) -> usize {
        usize::try_from(self.range(lo, hi)).unwrap()
    }
    fn scale(&mut self) -> f32 {
        self.range(1000, 9999) as f32 * 1e-5
    }
    fn flip(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }
}

struct Net {
    g: IntGraph,
    rng: Rng,
    offset: i32,
    count: usize,
}

impl Net {
    /// A graph with one input; int8 or uint8 throughout.
    fn new(seed: u64) -> (Net, Port) {
        let mut rng = Rng(seed);
        let offset = if rng.flip() { 128 } else { 0 };
        let shape = [rng.size(1, 6), rng.size(6, 11), rng.size(6, 11)];
        let [c, h, w] = shape;
        let mut net = Net { g: IntGraph::default(), rng, offset, count: 0 };
        let fact = net.fact(shape);
        let dtype = match net.rng.range(0, 2) {
            0 if offset == 128 => HostType::U8,
            0 => HostType::I8,
            _ => HostType::F32,
        };
        // Channels first, channels last, or an order that only a Gather expresses.
        let elements = u32::try_from(c * h * w).unwrap();
        let arrangement = match net.rng.range(0, 2) {
            0 => Arrangement { onnx_shape: vec![1, c, h, w], source: None },
            1 => Arrangement { onnx_shape: vec![1, h, w, c], source: Some(channels_last(shape)) },
            _ => Arrangement { onnx_shape: vec![1, c * h * w], source: Some((0..elements).rev().collect()) },
        };
        let input = IntOp::Input(HostInput { dtype, arrangement });
        let id = net.g.add("quantize", input, &[], vec![Value { name: "input".into(), fact }]);
        (net, id.into())
    }

    fn fact(&mut self, shape: [usize; 3]) -> QFact {
        let zero_point = if self.rng.range(0, 3) == 0 { -128 } else { self.rng.range(-128, 127) };
        QFact { shape, bits: 8, scale: self.rng.scale(), zero_point, source_offset: self.offset }
    }

    fn add(&mut self, op: IntOp, inputs: &[Port], fact: QFact) -> Port {
        self.count += 1;
        let name = format!("node{}", self.count);
        self.g.add(&name, op, inputs, vec![Value { name: format!("{name}:0"), fact }]).into()
    }

    fn bounds(&mut self) -> (i32, i32) {
        if self.rng.flip() { (-128, 127) } else { (self.rng.range(-128, -20), self.rng.range(20, 127)) }
    }

    fn window(&mut self, x: [usize; 3], dilate: bool) -> (Window, [usize; 2]) {
        let mut w = Window::POINT;
        w.strides = [self.rng.size(1, 2), self.rng.size(1, 2)];
        let mut out = [0; 2];
        for i in 0..2 {
            w.dilations[i] = if dilate { self.rng.size(1, 2) } else { 1 };
            let most = ((x[i + 1] - 1) / w.dilations[i] + 1).min(3);
            w.kernel[i] = self.rng.size(1, i32::try_from(most).unwrap());
            for pad in [i, i + 2] {
                w.pads[pad] = self.rng.size(0, i32::try_from(w.kernel[i] - 1).unwrap());
            }
            let reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
            out[i] = (x[i + 1] + w.pads[i] + w.pads[i + 2] - reach) / w.strides[i] + 1;
        }
        (w, out)
    }

    fn conv(&mut self, x: Port, whole: bool) -> Port {
        let xf = self.g.value(x).fact.clone();
        let (window, [h, w]) = if whole {
            (Window { kernel: [xf.shape[1], xf.shape[2]], ..Window::POINT }, [1, 1])
        } else {
            self.window(xf.shape, true)
        };
        let depthwise = !whole && self.rng.range(0, 2) == 0;
        let groups = if depthwise { xf.shape[0] } else { 1 };
        let co = if depthwise { groups * self.rng.size(1, 2) } else { self.rng.size(1, 18) };
        let cg = xf.shape[0] / groups;
        let fact = self.fact([co, h, w]);
        // int8, or uint8 with a zero point of its own.
        let shift = if self.rng.flip() { 0 } else { self.rng.range(-127, 127) };
        let count = co * cg * window.kernel[0] * window.kernel[1];
        let weights = (0..count).map(|_| i16::try_from(self.rng.range(-128, 127) + shift).unwrap()).collect();
        let per_channel = if self.rng.flip() { co } else { 1 };
        let weight_scale: Vec<f32> = (0..per_channel).map(|_| self.rng.scale() * 0.05).collect();
        let (lo, hi) = self.bounds();
        let conv = Conv {
            window,
            groups,
            weight: Array4::from_shape_vec((co, cg, window.kernel[0], window.kernel[1]), weights).unwrap(),
            bias: (0..co).map(|_| self.rng.range(-5000, 5000)).collect(),
            rescale: RescaleSpec {
                scale: weight_scale.iter().map(|s| (xf.scale * s) / fact.scale).collect(),
                zero_point: fact.zero_point,
                lo,
                hi,
            },
            weight_scale,
        };
        self.add(IntOp::Conv(conv), &[x], fact)
    }

    fn sum(&mut self, a: Port, b: Port) -> Port {
        let fact = self.fact(self.g.value(a).fact.shape);
        let side = |f: &QFact| (f.scale, f.zero_point + f.source_offset, f.source_offset);
        let (lo, hi) = self.bounds();
        let form = if self.rng.flip() { AddForm::QLinear } else { AddForm::Float };
        let (a_side, b_side) = (side(&self.g.value(a).fact), side(&self.g.value(b).fact));
        let spec = AddSpec { form, a: a_side, b: b_side, y: side(&fact), lo, hi };
        self.add(IntOp::Add(Add { spec }), &[a, b], fact)
    }

    fn table(&mut self, x: Port) -> Port {
        let xf = self.g.value(x).fact.clone();
        let mut fact = self.fact(xf.shape);
        let source = match self.rng.range(0, 6) {
            0 => TableSource::Requantize,
            1 => TableSource::Clamp(self.rng.range(-100, 0), self.rng.range(1, 100)),
            2 => TableSource::QLinear("QLinearSigmoid", vec![]),
            3 => TableSource::QLinear("QLinearLeakyRelu", vec![("alpha", 0.1)]),
            4 => TableSource::Float("HardSwish", vec![]),
            5 => TableSource::Float("Clip", vec![("min", 0.0), ("max", 3.0)]),
            _ => TableSource::Float("Tanh", vec![]),
        };
        if let TableSource::Clamp(..) = source {
            fact = xf.clone();
        }
        let table = unary_table(&source, &xf, &fact).unwrap();
        self.add(IntOp::Table(Table { table, source }), &[x], fact)
    }

    fn max_pool(&mut self, x: Port) -> Port {
        let xf = self.g.value(x).fact.clone();
        let (window, [h, w]) = self.window(xf.shape, true);
        self.add(IntOp::MaxPool(MaxPool { window }), &[x], QFact { shape: [xf.shape[0], h, w], ..xf })
    }

    fn global_average(&mut self, x: Port) -> Port {
        let xf = self.g.value(x).fact.clone();
        let fact = self.fact([xf.shape[0], 1, 1]);
        let spec = AverageSpec {
            form: AverageForm::QLinearGlobal,
            x: (xf.scale, xf.zero_point),
            y: (fact.scale, fact.zero_point),
            lo: -128,
            hi: 127,
        };
        let window = Window { kernel: [xf.shape[1], xf.shape[2]], ..Window::POINT };
        self.add(IntOp::AveragePool(AveragePool { window, count_include_pad: false, spec }), &[x], fact)
    }

    /// Dequantized output, or after a Softmax, or integers, or an index.
    fn finish(mut self, x: Port) -> IntGraph {
        let xf = self.g.value(x).fact.clone();
        let [c, h, w] = xf.shape;
        let zero = xf.zero_point + xf.source_offset;
        let byte = if self.offset == 0 { HostType::I8 } else { HostType::U8 };
        let arrangement = if self.rng.flip() {
            Arrangement { onnx_shape: vec![1, c * h * w], source: None }
        } else {
            Arrangement { onnx_shape: vec![1, h * w, c], source: Some(channels_last(xf.shape)) }
        };
        let argmax = HostStep::ArgMax { axis: 1, keepdims: self.rng.flip(), select_last_index: false };
        let (steps, dtype) = match self.rng.range(0, 4) {
            0 => (vec![], byte),
            1 => (vec![HostStep::Dequantize(xf.scale, zero)], HostType::F32),
            2 => (vec![HostStep::Dequantize(xf.scale, zero), HostStep::Softmax(1)], HostType::F32),
            3 => (vec![HostStep::Dequantize(xf.scale, zero), argmax], HostType::I64),
            _ => {
                let signed = self.offset == 0;
                let output = (1.0 / 256.0, if signed { -128 } else { 0 });
                let axis = arrangement.onnx_shape.len() - 1;
                let softmax = HostStep::QLinearSoftmax { axis, input: (xf.scale, zero), output, signed };
                (vec![softmax, HostStep::Dequantize(output.0, output.1)], HostType::F32)
            }
        };
        let id = self.g.add("output", IntOp::Output(HostOutput { dtype, arrangement, steps }), &[x], vec![]);
        self.g.outputs.push(id.into());
        self.g
    }
}

/// Canonical order from a channels-last tensor.
fn channels_last([c, h, w]: [usize; 3]) -> Vec<u32> {
    (0..c).flat_map(|k| (0..h * w).map(move |p| u32::try_from(p * c + k).unwrap())).collect()
}

fn graph(seed: u64) -> IntGraph {
    let (mut net, mut x) = Net::new(seed);
    for _ in 0..net.rng.range(1, 3) {
        x = match net.rng.range(0, 3) {
            0 => net.max_pool(x),
            1 => net.table(x),
            _ => net.conv(x, false),
        };
    }
    let other = net.table(x);
    x = net.sum(x, other);
    if net.rng.flip() {
        x = net.global_average(x);
    }
    if net.rng.flip() {
        x = net.conv(x, true);
    }
    net.finish(x)
}

fn inputs(graph: &IntGraph, seed: u64, n: usize) -> Data {
    let mut rng = Rng(seed ^ 0x5555);
    let id = graph.ids()[0];
    let IntOp::Input(input) = &graph.node(id).op else { panic!("the first node is the input") };
    let fact = &graph.value(id.into()).fact;
    let mut shape = input.arrangement.onnx_shape.clone();
    shape[0] = n;
    let count = shape.iter().product();
    let shape = IxDyn(&shape);
    let bytes: Vec<i32> = (0..count).map(|_| rng.range(-128, 127)).collect();
    match input.dtype {
        HostType::F32 => {
            // Half of the values on rounding ties.
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

fn assert_equal(result: &SettingResult, seed: u64) {
    assert_eq!(result.error, None, "seed {seed}");
    for d in result.all() {
        assert_eq!(d.differing, 0, "seed {seed}: {d:?}");
        assert!(d.elements > 0);
    }
}

#[test]
fn every_export_decodes_to_itself() {
    for seed in 0..40 {
        let exported =
            export(&graph(seed), &ExportOptions { all_outputs: true, ..ExportOptions::default() }).unwrap();
        let bytes = onnx::encode(&exported.model).unwrap();
        assert_eq!(onnx::decode(bytes.into(), None).unwrap(), exported.model, "seed {seed}");
    }
}

#[test]
fn random_graphs_equal_onnx_runtime() {
    if let Err(e) = runtime() {
        eprintln!("skipped: {e}");
        return;
    }
    for seed in 0..150 {
        let graph = graph(seed);
        for weights in [WeightForm::Natural, WeightForm::Unsigned] {
            let result = compare_export(&graph, &[inputs(&graph, seed, 3)], weights);
            assert_equal(&result.unwrap_or_else(|e| panic!("seed {seed}: {e}")), seed);
        }
    }
}

#[test]
fn an_output_may_be_the_input_itself() {
    if let Err(e) = runtime() {
        eprintln!("skipped: {e}");
        return;
    }
    let shape = [1, 1 << 20];
    let mut b = crate::reference::build::Builder::new("same", 13);
    b.reserve("x");
    b.input("x", onnx::model::DType::I8, &shape);
    b.output("x", onnx::model::DType::I8, &shape);
    let bytes = onnx::encode(&b.finish()).unwrap();
    let mut session = Session::from_bytes(&bytes, Setting::Disabled, 1).unwrap();
    let x = Data::I8(ArrayD::from_elem(IxDyn(&shape), 77));
    assert_eq!(session.run(&[("x".into(), x.clone())]).unwrap(), [("x".into(), x)]);
}
