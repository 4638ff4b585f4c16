//! Whole layers: every lane, table and interval against the reference, by enumeration where that is possible.

use ndarray::Array4;
use proptest::prelude::*;

use super::steps::Steps;
use super::*;
use crate::arith::{
    AddForm, AddSpec, AverageForm, AverageSpec, ProductForm, ProductSpec, RescaleSpec, requantize,
};
use crate::graph::Value;
use crate::graph::int::*;

pub(super) fn fact(shape: [usize; 3], scale: f32, zero_point: i32) -> QFact {
    QFact { shape, bits: 8, scale, zero_point, source_offset: 0 }
}

pub(super) fn value(name: &str, fact: QFact) -> Vec<Value<QFact>> {
    vec![Value { name: name.into(), fact }]
}

pub(super) fn input(graph: &mut IntGraph, fact: QFact) -> NodeId {
    let arrangement = Arrangement { onnx_shape: vec![1], source: None };
    let op = IntOp::Input(HostInput { dtype: HostType::I8, prepare: None, rule: None, arrangement });
    graph.add("x", op, &[], value("x", fact))
}

fn window(kernel: usize, pad: usize) -> Window {
    Window { kernel: [kernel; 2], strides: [1; 2], dilations: [1; 2], pads: [pad; 4] }
}

/// A small generator of repeatable numbers (xorshift).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.next() % u64::try_from(high - low + 1).unwrap()).unwrap()
    }
}

fn random_conv(random: &mut Random, channels: usize, inputs: usize, kernel: usize, zero_point: i32) -> Conv {
    let weight = Array4::from_shape_fn((channels, inputs, kernel, kernel), |_| {
        i16::try_from(random.range(-127, 127)).unwrap()
    });
    let reach = 60.0 * ((inputs * kernel * kernel) as f32).sqrt();
    let scale = (0..channels).map(|_| random.range(500, 2000) as f32 / 1000.0 / reach).collect();
    let bias = (0..channels).map(|_| i32::try_from(random.range(-5000, 5000)).unwrap()).collect();
    Conv {
        window: window(kernel, kernel / 2),
        groups: 1,
        weight,
        bias,
        rescale: RescaleSpec { scale, zero_point, lo: -128, hi: 127 },
        weight_scale: vec![1.0],
        form: ConvForm::Integer,
    }
}

/// The residual network of MLPerf Tiny in shape and size, with random weights.
fn resnet8() -> IntGraph {
    let mut random = Random(7);
    let mut graph = IntGraph::default();
    let mut at = input(&mut graph, fact([3, 32, 32], 0.5, -3));
    let mut channels = 3;
    let mut conv = |graph: &mut IntGraph, name: &str, x: NodeId, from: usize, to: usize, kernel: usize| {
        let op = IntOp::Conv(random_conv(&mut random, to, from, kernel, -128));
        graph.add(name, op, &[x.into()], value(name, fact([to, 32, 32], 0.05, -128)))
    };
    at = conv(&mut graph, "first", at, channels, 16, 3);
    channels = 16;
    for (stage, to) in [16usize, 32, 64].into_iter().enumerate() {
        let a = conv(&mut graph, &format!("a{stage}"), at, channels, to, 3);
        let b = conv(&mut graph, &format!("b{stage}"), a, to, to, 3);
        let skip =
            if to == channels { at } else { conv(&mut graph, &format!("s{stage}"), at, channels, to, 1) };
        let spec = AddSpec {
            form: AddForm::QLinear,
            a: (0.051, -128, 0),
            b: (0.0377, 5, 0),
            y: (0.0612, -128, 0),
            lo: -128,
            hi: 127,
        };
        let name = format!("add{stage}");
        let op = IntOp::Add(Add { spec });
        at = graph.add(&*name, op, &[b.into(), skip.into()], value(&name, fact([to, 32, 32], 0.0612, -128)));
        channels = to;
    }
    let op = IntOp::AveragePool(AveragePool {
        window: window(32, 0),
        count_include_pad: false,
        spec: AverageSpec {
            form: AverageForm::QLinearGlobal,
            x: (0.0612, -128),
            y: (0.03, -128),
            lo: -128,
            hi: 127,
        },
    });
    at = graph.add("pool", op, &[at.into()], value("pool", fact([64, 1, 1], 0.03, -128)));
    conv(&mut graph, "fc", at, 64, 10, 1);
    graph
}

/// The reference of channel `c` of a Conv.
fn reference(conv: &Conv, c: usize) -> impl Fn(i64) -> i32 {
    let (scale, spec) = (conv.rescale.channel_scale(c), conv.rescale.clone());
    move |acc| i32::from(requantize(i32::try_from(acc).unwrap(), scale, spec.zero_point, spec.lo, spec.hi))
}

#[test]
fn every_channel_of_a_network_is_proved() {
    let graph = resnet8();
    let start = std::time::Instant::now();
    let quantized = solve(&graph, RescaleMode::Proved).unwrap();
    eprintln!(
        "{:?}: {} offset and {} exact channels, multiplier {} bits, offset {} bits, shifts {:?}",
        start.elapsed(),
        quantized.offset_channels,
        quantized.exact_channels,
        quantized.multiplier_bits,
        quantized.offset_bits,
        quantized.shifts
    );
    let mut random = Random(11);
    for (id, layer) in &quantized.layers {
        assert_eq!(layer.differing_accumulators, 0);
        let IntOp::Conv(conv) = &graph.node(*id).op else { continue };
        for (c, channel) in layer.channels.iter().enumerate() {
            let f = reference(conv, c);
            let (from, to) = layer.intervals[c];
            let random: Vec<i64> = (0..2000).map(|_| random.range(from, to)).collect();
            let edges = edges(*channel, layer.lo, layer.hi, (from, to));
            assert!(edges.len() > 2);
            for acc in edges.into_iter().chain(random) {
                assert_eq!(
                    i32::from(channel.apply(acc, layer.lo, layer.hi)),
                    f(acc),
                    "{} {c} {acc}",
                    layer.name
                );
            }
        }
    }
    // As many channels on the cheap lane, with as few shifts, as there can be for these numbers.
    assert_eq!((quantized.offset_channels, quantized.exact_channels), (228, 119));
    assert_eq!((quantized.multiplier_bits, quantized.shifts.len()), (24, 6));
    // Deterministic, and serialisable.
    assert_eq!(solve(&graph, RescaleMode::Proved).unwrap(), quantized);
    assert!(serde_json::to_string(&quantized).unwrap().contains("\"lane\":\"mixed\""));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random channels: the lane equals the formula at each threshold, beside it, at the ends and at random points.
    #[test]
    fn lane_equals_reference(
        exponent in -30.0f32..2.0, seed in any::<u64>(), zero_point in prop_oneof![Just(-128), Just(127), -128..=127i32],
        width in 4u32..31, lo in prop_oneof![Just(-128), -128..=0i32],
    ) {
        let mut random = Random(seed | 1);
        let scale = exponent.exp2();
        let half = (1i64 << width) - 1;
        let centre = random.range(-(1 << 30), 1 << 30) >> random.range(0, 30);
        let (from, to) = ((centre - half).max(i64::from(i32::MIN)), (centre + half).min(i64::from(i32::MAX)));
        let f = |acc: i64| i32::from(requantize(i32::try_from(acc).unwrap(), scale, zero_point, lo, 127));
        let steps = Steps::find(f, from, to, f64::from(scale), f64::from(zero_point));
        let offset = offset::solve(&steps, lo, 127, f64::from(scale));
        let exact = Channel::exact(scale, zero_point);
        prop_assert!(steps.proves(|acc| i32::from(exact.apply(acc, lo, 127))));
        for channel in offset.into_iter().chain([exact]) {
            let near = steps.at.iter().flat_map(|&t| t - 2..=t + 1);
            let random: Vec<i64> = (0..200).map(|_| random.range(from, to)).collect();
            for acc in near.chain(random).chain([from, to]).filter(|acc| (from..=to).contains(acc)) {
                prop_assert_eq!(i32::from(channel.apply(acc, lo, 127)), f(acc), "{:?} {}", channel, acc);
            }
        }
    }
}

/// Small networks of one convolution, by enumeration of every reachable accumulator.
#[test]
fn exhaustive_at_small_reach() {
    let mut random = Random(3);
    for zero_point in [-128, 0, 17, 127] {
        let mut graph = IntGraph::default();
        let x = input(&mut graph, fact([2, 4, 4], 1.0, -7));
        let mut conv = random_conv(&mut random, 40, 2, 1, zero_point);
        // Ties at every second accumulator, and a constant channel.
        conv.rescale.scale[0] = 0.5;
        conv.rescale.scale[1] = 1e-9;
        conv.rescale.scale[2] = 0.0;
        (conv.bias[1], conv.bias[3]) = (1 << 30, (1 << 30) + 5);
        let id =
            graph.add("conv", IntOp::Conv(conv.clone()), &[x.into()], value("y", fact([40, 4, 4], 1.0, 0)));
        let quantized = solve(&graph, RescaleMode::Proved).unwrap();
        let layer = &quantized.layers[&id];
        for (c, channel) in layer.channels.iter().enumerate() {
            let operand = interval::Operand { range: (-128, 127), zero_point: -7 };
            let (from, to) = interval::conv_channel(&conv, c, operand).0;
            let f = reference(&conv, c);
            for acc in from..=to {
                assert_eq!(i32::from(channel.apply(acc, -128, 127)), f(acc), "{c} {acc}");
            }
        }
        // Ties to even at 0.5 can't be had by adding a constant.
        assert!(matches!(layer.channels[0], Channel::Exact { .. }));
        assert!(matches!(layer.channels[2], Channel::Offset { m: 0, .. }));
        assert_eq!(layer.lane, LaneKind::Mixed);
    }
}

/// Intervals equal the extremes over all inputs and all partial sums of a small window.
#[test]
fn intervals_equal_enumeration() {
    let weight = Array4::from_shape_vec((1, 1, 1, 3), vec![3i16, -2, 1]).unwrap();
    for (pad, range, zero_point) in [(0, (-2i64, 3i64), 1i64), (1, (2, 3), -1), (1, (-3, -2), 0)] {
        let conv = Conv {
            window: window(1, pad),
            groups: 1,
            weight: weight.clone(),
            bias: vec![10],
            rescale: RescaleSpec { scale: vec![1.0], zero_point: 0, lo: -128, hi: 127 },
            weight_scale: vec![1.0],
            form: ConvForm::Integer,
        };
        let operand = interval::Operand { range, zero_point };
        let (centred, raw) = interval::conv_channel(&conv, 0, operand);
        let values: Vec<i64> = (range.0..=range.1).chain((pad > 0).then_some(zero_point)).collect();
        let (mut sums, mut partials) = (vec![], vec![0]);
        for &a in &values {
            for &b in &values {
                for &c in &values {
                    let terms = [3 * a, -2 * b, c];
                    sums.push(terms.iter().sum::<i64>() - 2 * zero_point + 10);
                    for mask in 0..8 {
                        partials.push((0..3).filter(|i| mask >> i & 1 == 1).map(|i| terms[i]).sum());
                    }
                }
            }
        }
        let hull = |v: &[i64]| (*v.iter().min().unwrap(), *v.iter().max().unwrap());
        assert_eq!(centred, hull(&sums));
        assert_eq!(raw, hull(&partials));
    }
}

#[test]
fn additions_are_exact_on_all_pairs() {
    let mut random = Random(5);
    let mut bits = std::collections::BTreeMap::new();
    let mut scale = || random.range(200, 5000) as f32 / 50_000.0;
    let mut specs: Vec<AddSpec> = (0..40)
        .map(|i| AddSpec {
            form: [AddForm::QLinear, AddForm::Float, AddForm::QLinear, AddForm::Difference][i % 4],
            a: (scale(), [-128, 0, 127, 3][i % 4] + 128 * i32::from(i % 3 == 0), 128 * i32::from(i % 3 == 0)),
            b: (scale(), [5, -128, 0, 127][i % 4], 0),
            y: (scale(), [-128, 127, -1][i % 3], 0),
            lo: if i % 5 == 0 { 0 } else { -128 },
            hi: 127,
        })
        .collect();
    // Powers of two and short decimals put many pairs on ties; float32 additions on the latter's are refused.
    for i in 0..60 {
        let mut scale = || match i % 3 {
            0 => (-(random.range(3, 7) as f32)).exp2(),
            1 => random.range(1, 10) as f32 / 100.0,
            _ => random.range(1, 7) as f32 / 127.0,
        };
        let scales = [scale(), scale(), scale()];
        let form = match i % 12 {
            0 => AddForm::Float,
            6 => AddForm::Difference,
            _ => AddForm::QLinear,
        };
        let offset = if i % 2 == 0 { 0 } else { 128 };
        let mut side = |scale| (scale, random.range(-128, 127) as i32 + offset, offset);
        let [a, b, y] = scales.map(&mut side);
        specs.push(AddSpec { form, a, b, y, lo: -128, hi: 127 });
    }
    let start = std::time::Instant::now();
    for spec in &specs {
        let tables = add::solve(spec);
        assert!(tables.is_some(), "{spec:?}");
        let tables = tables.unwrap();
        *bits.entry(tables.shift).or_insert(0) += 1;
        let want = spec.table();
        let pairs = (-128..=127i8).flat_map(|a| (-128..=127i8).map(move |b| (a, b)));
        assert!(pairs.zip(&want).all(|((a, b), &y)| tables.apply(a, b, spec.lo, spec.hi) == y));
    }
    eprintln!("{} additions: {:?}, fraction bits {bits:?}", specs.len(), start.elapsed());
}

/// A product of two inputs of all bytes.
fn product(spec: ProductSpec) -> (IntGraph, NodeId) {
    let side = |(scale, zero, offset): (f32, i32, i32)| QFact {
        source_offset: offset,
        ..fact([1, 1, 1], scale, zero - offset)
    };
    let mut graph = IntGraph::default();
    let [a, b] = [spec.a, spec.b].map(|s| input(&mut graph, side(s)));
    let op = IntOp::Product(Product { spec });
    let id = graph.add("product", op, &[a.into(), b.into()], value("y", side(spec.y)));
    (graph, id)
}

#[test]
fn products_are_exact_on_all_pairs() {
    let mut random = Random(9);
    let mut lanes = std::collections::BTreeMap::new();
    let start = std::time::Instant::now();
    for i in 0..240 {
        let mut real = || random.range(100, 9000) as f32 / 50_000.0;
        let (sa, sb) = (real(), real());
        let power = |random: &mut Random, from, to| (random.range(from, to) as f32).exp2();
        let form = if i % 2 == 0 { ProductForm::QLinear } else { ProductForm::Float };
        // Any scales; the result in steps of a's, with a power of two beside it, on either side; all powers of two, and zero
        // points of every parity, so that float32 rounds ties to even before it adds them.
        let (sa, sb, sy) = match i / 2 % 6 {
            0 | 1 => (sa, sb, sa * sb * random.range(20_000, 300_000) as f32 / 1013.0),
            2 => (sa, 1.0 / 256.0, sa),
            3 => (sa, power(&mut random, -9, -6), sa * power(&mut random, -1, 1)),
            4 => (power(&mut random, -9, -6), sb, sb * power(&mut random, -1, 1)),
            _ => {
                let (a, b) = (power(&mut random, -9, -3), power(&mut random, -9, -3));
                (a, b, a * b * power(&mut random, 4, 9))
            }
        };
        let offset = if i % 3 == 0 { 128 } else { 0 };
        let mut side = |scale| (scale, random.range(-128, 127) as i32 + offset, offset);
        let [a, b, y] = [sa, sb, sy].map(&mut side);
        let (lo, hi) = if i % 7 == 0 { (-20, 100) } else { (-128, 127) };
        let spec = ProductSpec { form, a, b, y, lo, hi };
        let (graph, id) = product(spec);
        let quantized = solve(&graph, RescaleMode::Proved).unwrap_or_else(|e| panic!("{spec:?}: {e}"));
        let layer = &quantized.layers[&id];
        let corrected = layer.product_steps.as_ref().is_some_and(|s| s.corrections.iter().any(|c| *c != 0));
        *lanes.entry((i % 2, format!("{:?}", layer.lane), corrected)).or_insert(0) += 1;
        let pairs = (-128..=127i8).flat_map(|a| (-128..=127i8).map(move |b| (a, b)));
        for ((a, b), &y) in pairs.zip(&spec.table()) {
            let product = spec.centred(a, b);
            let q = layer.channels[0].apply(i64::from(product), lo, hi);
            let made = layer.product_steps.as_ref().map_or(q, |s| s.apply(q, (a, b), product));
            assert_eq!(made, y, "{spec:?} {a} {b}");
        }
    }
    eprintln!("{:?}: {lanes:?}", start.elapsed());
    // Every way is taken.
    assert!(lanes.len() >= 6, "{lanes:?}");
}

/// Where both factors are rounded and their product is on ties in plenty, no thresholds tell the bytes.
#[test]
fn a_product_that_nothing_makes_is_refused() {
    let (a, b) = ((0.0371, 3, 0), (0.0371, -5, 0));
    let spec = |form| ProductSpec { form, a, b, y: (0.0371 * 128.0 * 0.0371, 1, 0), lo: -128, hi: 127 };
    let (graph, _) = product(spec(ProductForm::Float));
    let fault = solve(&graph, RescaleMode::Proved).unwrap_err();
    assert_eq!(fault.0[0].code, code::RESCALE_INFEASIBLE);
    let (graph, _) = product(spec(ProductForm::QLinear));
    assert!(solve(&graph, RescaleMode::Proved).is_ok());
}

#[test]
fn averages_follow_the_divisor() {
    let mut graph = IntGraph::default();
    let x = input(&mut graph, fact([1, 5, 5], 0.25, -4));
    let spec = AverageSpec { form: AverageForm::QLinear, x: (0.25, -4), y: (0.213, 8), lo: -128, hi: 127 };
    let op = IntOp::AveragePool(AveragePool { window: window(3, 1), count_include_pad: false, spec });
    let id = graph.add("pool", op, &[x.into()], value("y", fact([1, 5, 5], 0.213, 8)));
    let quantized = solve(&graph, RescaleMode::Proved).unwrap();
    let layer = &quantized.layers[&id];
    assert_eq!(layer.divisors, [4, 6, 9]);
    assert_eq!(layer.raw, (-9 * 128, 9 * 127));
    for (&divisor, channel) in layer.divisors.iter().zip(&layer.channels) {
        for sum in divisor * (-124)..=divisor * 131 {
            assert_eq!(channel.apply(i64::from(sum), -128, 127), spec.apply(sum, divisor), "{sum}/{divisor}");
        }
    }
}

/// What `rtl/o2c_pool_float.v` makes of centred taps.
fn float_sum(mantissa: u32, taps: &[i32]) -> i64 {
    let round24 = |v: i64| {
        let excess = (i64::BITS - v.unsigned_abs().leading_zeros()).saturating_sub(24);
        let (unit, kept) = (1i64 << excess, v.abs() >> excess);
        let rest = v.abs() - kept * unit;
        let up = 2 * rest > unit || (2 * rest == unit && kept & 1 == 1);
        v.signum() * (kept + i64::from(up)) * unit
    };
    taps.iter().fold(0, |sum, &x| round24(sum + round24(i64::from(x) * i64::from(mantissa))))
}

#[test]
fn averages_by_float_sums_are_the_operator() {
    let mut random = Random(11);
    let mut by_float = 0;
    for (kernel, pads, sx, sy, zx, zy, offset) in [
        (2, 0, 0.1f32, 0.1f32, 0, 0, 0),
        (2, 0, 0.023_529_412, 0.023_529_412, -128, -128, 128),
        (2, 0, 0.25, 0.25, 3, 5, 0),
        (3, 1, 0.3, 0.3, -128, 17, 128),
        (3, 1, 0.017, 0.0093, 101, -3, 0),
        (4, 2, 0.05, 0.02, -7, -127, 128),
        (7, 0, 1.3e-9, 0.6e-9, 127, 127, 0),
        (2, 0, 8.0e8, 4.0e8, -128, 1, 0),
    ] {
        let mut graph = IntGraph::default();
        let x = input(&mut graph, QFact { source_offset: offset, ..fact([1, 9, 9], sx, zx) });
        let spec = AverageSpec { form: AverageForm::QLinear, x: (sx, zx), y: (sy, zy), lo: -128, hi: 127 };
        let op = AveragePool { window: window(kernel, pads), count_include_pad: false, spec };
        let y = QFact {
            source_offset: offset,
            ..fact([1, 10 + 2 * pads - kernel, 10 + 2 * pads - kernel], sy, zy)
        };
        let id = graph.add("pool", IntOp::AveragePool(op), &[x.into()], value("y", y));
        let quantized = solve(&graph, RescaleMode::Proved).unwrap();
        let layer = &quantized.layers[&id];
        let Some(float) = &layer.float_sum else { continue };
        by_float += 1;
        assert_eq!(layer.lane, LaneKind::Float);
        for _ in 0..200_000 {
            let at = random.range(0, layer.divisors.len() as i64 - 1) as usize;
            let divisor = layer.divisors[at];
            // A window's values lie near each other often, and then sums end on ties as often.
            let (middle, spread) = (random.range(-128, 127), [0, 1, 3, 255][random.range(0, 3) as usize]);
            let taps: Vec<i8> = (0..divisor)
                .map(|_| (middle + random.range(-spread, spread)).clamp(-128, 127) as i8)
                .collect();
            let centred: Vec<i32> = taps.iter().map(|&x| i32::from(x) - zx).collect();
            let q = layer.channels[at].apply(i64::from(centred.iter().sum::<i32>()), layer.lo, layer.hi);
            let p = float_sum(float.mantissa, &centred);
            assert!(p.abs() < 1 << (float.bits - 1));
            let above = p >= float.thresholds[at][(i32::from(q) + 128) as usize];
            let want = spec.apply_taps(taps.iter().copied(), divisor, offset);
            assert_eq!(i32::from(q) + i32::from(above), i32::from(want), "{spec:?} {taps:?}");
        }
    }
    assert!(by_float >= 6, "{by_float}");
}

#[test]
fn faults() {
    let conv = |change: &dyn Fn(&mut Conv)| {
        let mut graph = IntGraph::default();
        let x = input(&mut graph, fact([2, 4, 4], 1.0, 0));
        let mut op = random_conv(&mut Random(1), 4, 2, 1, 0);
        change(&mut op);
        graph.add("c", IntOp::Conv(op), &[x.into()], value("y", fact([4, 4, 4], 1.0, 0)));
        graph
    };
    let average = |form: AverageForm, scale: f32| {
        let mut graph = IntGraph::default();
        let x = input(&mut graph, fact([1, 4, 4], scale, 0));
        let spec = AverageSpec { form, x: (scale, 0), y: (scale, 0), lo: -128, hi: 127 };
        let op = IntOp::AveragePool(AveragePool { window: window(2, 0), count_include_pad: false, spec });
        graph.add("c", op, &[x.into()], value("y", fact([1, 3, 3], scale, 0)));
        graph
    };
    let cases = [
        (conv(&|_| {}), None),
        (conv(&|c| c.bias[2] = i32::MAX), Some(code::ACCUMULATOR_OVERFLOW)),
        (conv(&|c| c.rescale.scale[1] = f32::NAN), Some(code::SCALE_INVALID)),
        (conv(&|c| c.rescale.scale.truncate(3)), Some(code::SCALE_INVALID)),
        (conv(&|c| c.rescale.hi = 255), Some(code::WIDTH_UNSUPPORTED)),
        (conv(&|c| c.rescale.zero_point = i32::MIN), Some(code::SCALE_INVALID)),
        (average(AverageForm::Float, 0.1), None),
        (average(AverageForm::QLinear, 0.1), None),
        (average(AverageForm::Float, 0.125), None),
    ];
    for (graph, want) in cases {
        let got = solve(&graph, RescaleMode::Proved).err().map(|d| d.0[0].code);
        assert_eq!(got, want);
    }
    let graph = conv(&|_| {});
    let bad = solve(&graph, RescaleMode::Fixed { swl: 1, sfl: 9 }).unwrap_err();
    assert_eq!(bad.0[0].code, code::CONFIG_INVALID);
    let fixed = solve(&graph, RescaleMode::Fixed { swl: 16, sfl: 12 }).unwrap();
    let layer = fixed.layers.values().next().unwrap();
    assert!(layer.differing_accumulators > 0 && layer.fixed.as_ref().unwrap().first.is_some());
}
