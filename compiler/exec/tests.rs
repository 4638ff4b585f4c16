//! The executor against plain 64-bit loops on random layers, and its two sets of kernels against each other.

use ndarray::{Array4, ArrayD, IxDyn};
use proptest::prelude::*;

use super::{Data, Executor, Kernel, npy};
use crate::arith::{AddForm, AddSpec, AverageForm, AverageSpec, RescaleSpec};
use crate::graph::int::*;
use crate::graph::{Port, Value};

/// Deterministic pseudo-random numbers (SplitMix64).
#[derive(Clone)]
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn range(&mut self, lo: i64, hi: i64) -> i64 {
        lo + i64::try_from(self.next() % u64::try_from(hi - lo + 1).unwrap()).unwrap()
    }
}

fn fact(shape: [usize; 3], zero_point: i32) -> QFact {
    QFact { shape, bits: 8, scale: 0.05, zero_point, source_offset: 0 }
}

fn arrangement(shape: [usize; 3]) -> Arrangement {
    Arrangement { onnx_shape: vec![1, shape[0], shape[1], shape[2]], source: None }
}

fn value(name: &str, fact: QFact) -> Value<QFact> {
    Value { name: name.into(), fact }
}

/// Input (int8), one operator on it (twice for two operands), output (int8).
fn one_node(op: IntOp, operands: usize, x: QFact, y: QFact) -> IntGraph {
    let mut g = IntGraph::default();
    let input =
        HostInput { dtype: HostType::I8, prepare: None, rule: None, arrangement: arrangement(x.shape) };
    let inputs: Vec<Port> = (0..operands)
        .map(|k| {
            g.add(
                format!("in{k}"),
                IntOp::Input(input.clone()),
                &[],
                vec![value(&format!("x{k}"), x.clone())],
            )
            .into()
        })
        .collect();
    let node = g.add("op", op, &inputs, vec![value("y", y.clone())]);
    let output =
        HostOutput { dtype: HostType::I8, arrangement: arrangement(y.shape), steps: vec![], head: None };
    let out = g.add("out", IntOp::Output(output), &[node.into()], vec![]);
    g.outputs.push(out.into());
    g
}

fn samples(rng: &mut Rng, n: usize, shape: [usize; 3]) -> Data {
    let count = n * shape.iter().product::<usize>();
    let v: Vec<i8> = (0..count).map(|_| i8::try_from(rng.range(-128, 127)).unwrap()).collect();
    Data::I8(ArrayD::from_shape_vec(IxDyn(&[n, shape[0], shape[1], shape[2]]), v).unwrap())
}

fn bytes(d: &Data) -> Vec<i8> {
    match d {
        Data::I8(a) => a.iter().copied().collect(),
        other => panic!("{}", other.type_name()),
    }
}

/// acc for every output in channel, row, column order, by the definition.
fn naive_conv(conv: &Conv, x: &[i8], xs: [usize; 3], zx: i32, ys: [usize; 3]) -> Vec<i64> {
    let (_, cg, kh, kw) = conv.weight.dim();
    let per_group = ys[0] / conv.groups;
    let w = &conv.window;
    let mut out = Vec::new();
    for o in 0..ys[0] {
        for oy in 0..ys[1] {
            for ox in 0..ys[2] {
                let mut acc = i64::from(conv.bias[o]);
                for i in 0..cg {
                    for a in 0..kh {
                        for b in 0..kw {
                            let row = (oy * w.strides[0] + a * w.dilations[0]).checked_sub(w.pads[0]);
                            let column = (ox * w.strides[1] + b * w.dilations[1]).checked_sub(w.pads[1]);
                            if let (Some(r), Some(c)) = (row, column)
                                && r < xs[1]
                                && c < xs[2]
                            {
                                let channel = o / per_group * cg + i;
                                let x = i64::from(x[(channel * xs[1] + r) * xs[2] + c]) - i64::from(zx);
                                acc += x * i64::from(conv.weight[[o, i, a, b]]);
                            }
                        }
                    }
                }
                out.push(acc);
            }
        }
    }
    out
}

fn requantize(spec: &RescaleSpec, channel: usize, acc: i64) -> i8 {
    spec.apply(channel, i32::try_from(acc).unwrap())
}

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    groups: usize,
    cg: usize,
    og: usize,
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    pads: [usize; 4],
    extra: [usize; 2],
    bias: i32,
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |lo: usize, hi: usize| prop::array::uniform2(lo..=hi);
    (
        any::<u64>(),
        prop_oneof![3 => Just(1_usize), 1 => 2..=3_usize, 2 => 4..=40_usize],
        (1..=5_usize, 1..=20_usize),
        (pair(1, 4), pair(1, 3), pair(1, 2), prop::array::uniform4(0..=2_usize), pair(0, 9)),
        prop_oneof![Just(1000), Just(1 << 26), Just(i32::MAX - 5)],
    )
        .prop_map(|(seed, groups, (cg, og), (kernel, strides, dilations, pads, extra), bias)| {
            // Many groups: depthwise with a small multiplier.
            let (cg, og) = if groups > 3 { (1, og % 2 + 1) } else { (cg, og) };
            Case { seed, groups, cg, og, kernel, strides, dilations, pads, extra, bias }
        })
}

fn build(case: &Case, rng: &mut Rng) -> (Conv, QFact, QFact) {
    let Case { groups, cg, og, kernel, .. } = *case;
    let size = |i: usize| {
        let needed = (kernel[i] - 1) * case.dilations[i] + 1;
        needed.saturating_sub(case.pads[i] + case.pads[i + 2]).max(1) + case.extra[i]
    };
    let (h, w) = (size(0), size(1));
    let outs = |i: usize, n: usize| {
        (n + case.pads[i] + case.pads[i + 2] - (kernel[i] - 1) * case.dilations[i] - 1) / case.strides[i] + 1
    };
    let co = groups * og;
    let weights: Vec<i16> =
        (0..co * cg * kernel[0] * kernel[1]).map(|_| i16::try_from(rng.range(-255, 255)).unwrap()).collect();
    let limit = i64::from(case.bias);
    let zx = i32::try_from(rng.range(-128, 127)).unwrap();
    let scale = |rng: &mut Rng| (rng.range(1, 1 << 20) as f32) * 1e-8;
    let conv = Conv {
        window: Window { kernel, strides: case.strides, dilations: case.dilations, pads: case.pads },
        groups,
        weight: Array4::from_shape_vec((co, cg, kernel[0], kernel[1]), weights).unwrap(),
        bias: (0..co).map(|_| i32::try_from(rng.range(-limit, limit)).unwrap()).collect(),
        rescale: RescaleSpec {
            scale: if rng.next().is_multiple_of(2) {
                vec![scale(rng)]
            } else {
                (0..co).map(|_| scale(rng)).collect()
            },
            zero_point: i32::try_from(rng.range(-128, 127)).unwrap(),
            lo: i32::try_from(rng.range(-128, 0)).unwrap(),
            hi: i32::try_from(rng.range(0, 127)).unwrap(),
        },
        weight_scale: vec![1.0],
        form: ConvForm::Integer,
    };
    let x = fact([groups * cg, h, w], zx);
    let y = fact([co, outs(0, h), outs(1, w)], conv.rescale.zero_point);
    (conv, x, y)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Dense, grouped, depthwise and 64-bit forms; accumulators and results; both kernels.
    #[test]
    fn conv_is_its_definition(case in cases()) {
        let mut rng = Rng(case.seed);
        let (conv, x, y) = build(&case, &mut rng);
        let data = samples(&mut rng, 2, x.shape);
        let graph = one_node(IntOp::Conv(conv.clone()), 1, x.clone(), y.clone());
        let size: usize = x.shape.iter().product();
        for kernel in [Kernel::Portable, Kernel::detect()] {
            let executor = Executor::with_kernel(&graph, kernel).unwrap();
            let mut expect = Vec::new();
            let mut overflow = false;
            for n in 0..2 {
                let sums = naive_conv(&conv, &bytes(&data)[n * size..][..size], x.shape, x.zero_point, y.shape);
                overflow |= sums.iter().any(|v| i32::try_from(*v).is_err());
                if overflow { break; }
                let pixels = y.shape[1] * y.shape[2];
                expect.extend(sums.iter().enumerate().map(|(i, v)| requantize(&conv.rescale, i / pixels, *v)));
                let trace = executor.trace(std::slice::from_ref(&data), n).unwrap();
                let acc: Vec<i64> = trace.stages[1].accumulator.as_ref().unwrap().iter().map(|v| i64::from(*v)).collect();
                prop_assert_eq!(acc, sums);
                prop_assert_eq!(&trace.stages[1].output[..], &expect[n * sums_len(&y)..]);
            }
            match executor.run(std::slice::from_ref(&data)) {
                Ok(out) => { prop_assert!(!overflow); prop_assert_eq!(bytes(&out[0]), expect); }
                Err(e) => { prop_assert!(overflow, "{}", e); prop_assert!(e.to_string().contains("O2C0304")); }
            }
        }
    }

    /// Windows with pads, overhang and dilation.
    #[test]
    fn pools_are_their_definition(
        seed in any::<u64>(), c in 1..=20_usize, h in 1..=7_usize, w in 1..=7_usize,
        kernel in prop::array::uniform2(1..=4_usize), strides in prop::array::uniform2(1..=3_usize),
        dilations in prop::array::uniform2(1..=2_usize), pads in prop::array::uniform2(0..=2_usize),
        outs in prop::array::uniform2(1..=4_usize), count_include_pad in any::<bool>(),
    ) {
        let mut rng = Rng(seed);
        let window = Window { kernel, strides, dilations, pads: [pads[0], pads[1], pads[0], pads[1]] };
        let x = fact([c, h, w], i32::try_from(rng.range(-128, 127)).unwrap());
        let y = fact([c, outs[0], outs[1]], x.zero_point);
        let spec = AverageSpec { form: AverageForm::Float, x: (0.05, x.zero_point), y: (0.04, 3), lo: -128, hi: 127 };
        let data = samples(&mut rng, 1, x.shape);
        let v = bytes(&data);
        let max = Executor::new(&one_node(IntOp::MaxPool(MaxPool { window }), 1, x.clone(), y.clone())).unwrap();
        let op = IntOp::AveragePool(AveragePool { window, count_include_pad, spec });
        let average = Executor::new(&one_node(op, 1, x.clone(), y.clone())).unwrap();
        let best = bytes(&max.run(std::slice::from_ref(&data)).unwrap()[0]);
        let trace = average.trace(std::slice::from_ref(&data), 0).unwrap();
        let mut at = 0;
        for channel in 0..c {
            for oy in 0..outs[0] {
                for ox in 0..outs[1] {
                    let (mut most, mut sum, mut taps) = (-128_i8, 0_i32, 0_i32);
                    for a in 0..kernel[0] {
                        for b in 0..kernel[1] {
                            let row = (oy * strides[0] + a * dilations[0]).checked_sub(pads[0]).filter(|r| *r < h);
                            let column = (ox * strides[1] + b * dilations[1]).checked_sub(pads[1]).filter(|c| *c < w);
                            if let (Some(r), Some(k)) = (row, column) {
                                let v = v[(channel * h + r) * w + k];
                                most = most.max(v);
                                sum += i32::from(v) - x.zero_point;
                                taps += 1;
                            }
                        }
                    }
                    let all = i32::try_from(kernel[0] * kernel[1]).unwrap();
                    let divisor = if count_include_pad { all } else { taps.max(1) };
                    prop_assert_eq!(best[at], most);
                    prop_assert_eq!(trace.stages[1].accumulator.as_ref().unwrap()[at], sum);
                    prop_assert_eq!(trace.stages[1].output[at], spec.apply(sum, divisor));
                    at += 1;
                }
            }
        }
    }
}

fn sums_len(y: &QFact) -> usize {
    y.len()
}

#[test]
fn addition_reads_its_operands_in_order() {
    let x = fact([4, 8, 8], 0);
    let spec = AddSpec {
        form: AddForm::QLinear,
        a: (0.05, 3, 0),
        b: (0.11, -7, 0),
        y: (0.09, 1, 0),
        lo: -100,
        hi: 127,
    };
    let mut rng = Rng(1);
    let (a, b) = (samples(&mut rng, 3, x.shape), samples(&mut rng, 3, x.shape));
    let executor = Executor::new(&one_node(IntOp::Add(Add { spec }), 2, x.clone(), x)).unwrap();
    let y = bytes(&executor.run(&[a.clone(), b.clone()]).unwrap()[0]);
    for ((y, a), b) in y.iter().zip(bytes(&a)).zip(bytes(&b)) {
        assert_eq!(*y, spec.apply(a, b));
    }
}

#[test]
fn every_rounding_of_the_requantization_is_the_same() {
    // Ties, both signs, values beyond 2^24 (where int32 to float32 rounds), beyond the clamp, and the extremes.
    let mut rng = Rng(7);
    let mut acc: Vec<i32> =
        vec![i32::MIN, i32::MIN + 1, i32::MAX, -1, 0, 1, 16_777_217, -16_777_217, 33_554_435];
    acc.extend((0..20_000).map(|_| i32::try_from(rng.range(-4000, 4000)).unwrap()));
    acc.extend((0..20_000).map(|_| i32::try_from(rng.range(i32::MIN.into(), i32::MAX.into())).unwrap()));
    for scale in [0.5_f32, 0.25, 0.125, 0.007_812_5, 0.012_345_6, 1.9e-7, 3.1e-8, 1e-30, 0.0] {
        for (zero_point, lo, hi) in [(0, -128, 127), (-128, -128, 127), (127, -128, 127), (5, 5, 64)] {
            let spec = RescaleSpec { scale: vec![scale], zero_point, lo, hi };
            for block in acc.chunks(16) {
                let mut lanes = [0; 16];
                lanes[..block.len()].copy_from_slice(block);
                let (lo, hi) = ((lo - zero_point) as f32, (hi - zero_point) as f32);
                let requant = super::kernel::Requant { scale: &[scale; 16], lo, hi, zero_point };
                let expect = lanes.map(|v| requantize(&spec, 0, v.into()));
                assert_eq!(requant.run(Kernel::Portable, &lanes), expect, "{scale} {lanes:?}");
                assert_eq!(requant.run(Kernel::detect(), &lanes), expect, "{scale} {lanes:?}");
            }
        }
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let x = fact([2, 3, 3], 0);
    let window = Window { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    let graph = one_node(IntOp::MaxPool(MaxPool { window }), 1, x.clone(), fact([2, 2, 2], 0));
    let executor = Executor::new(&graph).unwrap();
    let wrong = [
        Data::F32(ArrayD::zeros(IxDyn(&[1, 2, 3, 3]))),
        Data::I8(ArrayD::zeros(IxDyn(&[1, 3, 3, 2]))),
        Data::I8(ArrayD::zeros(IxDyn(&[0, 2, 3, 3]))),
        Data::I8(ArrayD::zeros(IxDyn(&[18]))),
    ];
    for data in wrong {
        assert!(executor.run(&[data]).unwrap_err().to_string().contains("O2C0500"));
    }
    assert!(executor.run(&[]).unwrap_err().to_string().contains("O2C0500"));
    let good = npy::parse(&npy::to_bytes(&Data::I8(ArrayD::zeros(IxDyn(&[5, 2, 3, 3])))).unwrap()).unwrap();
    assert_eq!(executor.run(&[good]).unwrap()[0].shape(), [5, 2, 2, 2]);
}

#[test]
fn host_steps_follow_the_axis() {
    // [1, 2, 3]: dequantize, then the largest along axis 1, then along axis 2 without the dimension.
    let x = QFact { shape: [2, 3, 1], bits: 8, scale: 0.5, zero_point: -126, source_offset: 128 };
    let mut g = IntGraph::default();
    // Canonical [c, h] = ONNX [1, h, c] transposed.
    let arrangement = Arrangement { onnx_shape: vec![1, 3, 2], source: Some(vec![0, 2, 4, 1, 3, 5]) };
    let input =
        HostInput { dtype: HostType::U8, prepare: None, rule: None, arrangement: arrangement.clone() };
    let i = g.add("in", IntOp::Input(input), &[], vec![value("x", x)]);
    let argmax = HostStep::ArgMax { axis: 1, keepdims: false, select_last_index: false };
    let steps = vec![HostStep::Dequantize(0.5, 2), HostStep::Reshape(vec![1, 3, 2]), argmax];
    let o = g.add(
        "float",
        IntOp::Output(HostOutput {
            dtype: HostType::F32,
            arrangement: arrangement.clone(),
            steps: steps[..2].to_vec(),
            head: None,
        }),
        &[i.into()],
        vec![],
    );
    let p = g.add(
        "index",
        IntOp::Output(HostOutput { dtype: HostType::I64, arrangement, steps, head: None }),
        &[i.into()],
        vec![],
    );
    g.outputs = vec![p.into(), o.into()];
    let executor = Executor::new(&g).unwrap();
    let data = Data::U8(
        ArrayD::from_shape_vec(IxDyn(&[2, 3, 2]), vec![0, 9, 4, 255, 4, 2, 7, 7, 7, 8, 1, 8]).unwrap(),
    );
    let out = executor.run(&[data]).unwrap();
    assert_eq!(out[0], Data::I64(ArrayD::from_shape_vec(IxDyn(&[2, 2]), vec![1, 1, 0, 1]).unwrap()));
    let floats: Vec<f32> =
        [0, 9, 4, 255, 4, 2, 7, 7, 7, 8, 1, 8].iter().map(|v| (*v as f32 - 2.0) * 0.5).collect();
    assert_eq!(out[1], Data::F32(ArrayD::from_shape_vec(IxDyn(&[2, 3, 2]), floats).unwrap()));
}

/// The hardware's lanes give the reference's bytes, and different ones where the format is too narrow.
#[test]
fn lanes_replace_the_formula() {
    use crate::quant::{RescaleMode, solve};
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mnist_lenet_int8_qdq.onnx");
    let graph = crate::passes::compile_front(&crate::onnx::read(&path).unwrap()).unwrap();
    let inputs = crate::emit::random_inputs(&graph, 2, 7).unwrap();
    let stages = |mode: Option<RescaleMode>| {
        let mut executor = Executor::new(&graph).unwrap();
        if let Some(mode) = mode {
            executor = executor.with_quantized(&solve(&graph, mode).unwrap());
        }
        executor.trace(&inputs, 1).unwrap().stages
    };
    assert_eq!(stages(None), stages(Some(RescaleMode::Proved)));
    assert_ne!(stages(None), stages(Some(RescaleMode::Fixed { swl: 6, sfl: 8 })));
}
