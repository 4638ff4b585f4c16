//! ConvTranspose: an ordinary convolution for every s-th row and column of the result, and the parts interleaved.
//!
//! With strides s, dilations d and pads p, row i of x and tap k meet in row s * i + d * k - p. So row s * m + r takes the
//! taps k for which s divides r + p - d * k, and reads x at row m + (r + p - d * k) / s: a convolution with stride 1 whose
//! taps stand in the reverse order of the file's. A part without taps has the bias alone.

use ndarray::Array4;

use super::layer::{centred, integers, weight_zero};
use super::{Lower, Lowered, fact, layout};
use crate::diag::code;
use crate::graph::NodeId;
use crate::graph::int::{self, Concat, ConvForm, IntOp, QFact, Window};
use crate::ops::conv_transpose::ConvTranspose;
use crate::ops::quantized::Quantized;
use crate::passes::names::at;

/// Taps without weight that a part may have before its first: where pads exceed the kernel, they skip rows of x.
const MOST_SKIPPED: usize = 64;

/// Along one axis, the convolution that makes every s-th row of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// The file's tap for each tap of the window; `None` weighs nothing.
    taps: Vec<Option<usize>>,
    dilation: usize,
    /// Rows of padding at the beginning.
    pad: usize,
}

impl Part {
    /// Rows `r`, `r + s`, ... along axis `d`. `None` if it would have to skip too many rows of x.
    fn of(conv: &ConvTranspose, d: usize, r: usize) -> Option<Part> {
        let (stride, dilation, at) = (conv.strides[d], conv.dilations[d], r + conv.pads[d]);
        // Each tap reads x this many rows from its part's row: the last tap the fewest. All far below 2^63.
        let place = |k: usize| (at as i64 - (dilation * k) as i64, stride as i64);
        let taps: Vec<(usize, i64)> = (0..conv.kernel[d])
            .rev()
            .map(|k| (k, place(k)))
            .filter(|(_, (rows, stride))| rows % stride == 0)
            .map(|(k, (rows, stride))| (k, rows / stride))
            .collect();
        let Some(&(_, first)) = taps.first() else {
            return Some(Part { taps: vec![None], dilation: 1, pad: 0 });
        };
        let own = taps.iter().map(|(k, _)| Some(*k));
        let apart = taps.get(1).map(|(_, second)| usize::try_from(second - first).unwrap_or(1));
        let Some(skip) = usize::try_from(first).ok().filter(|skip| *skip > 0) else {
            let pad = usize::try_from(-first).unwrap_or(0);
            return Some(Part { taps: own.collect(), dilation: apart.unwrap_or(1), pad });
        };
        // The window begins at x's first row, with taps that weigh nothing.
        let dilation = apart.unwrap_or(skip);
        let dilation = if skip % dilation == 0 { dilation } else { 1 };
        let lead = skip / dilation;
        if lead > MOST_SKIPPED {
            return None;
        }
        let between = apart.map_or(0, |apart| apart / dilation - 1);
        let mut all = vec![None; lead];
        for (n, tap) in own.enumerate() {
            if n > 0 {
                all.extend(vec![None; between]);
            }
            all.push(tap);
        }
        Some(Part { taps: all, dilation, pad: 0 })
    }
}

impl Lower<'_> {
    pub(super) fn conv_transpose(&mut self, id: NodeId, q: &Quantized, conv: &ConvTranspose) -> Lowered<()> {
        let graph = self.graph;
        let inputs = graph.inputs(id);
        self.operand(id, inputs[0], q.inputs.first())?;
        let (port, xf) = self.natural(id, inputs[0])?;
        let weights = integers(graph, id, inputs[1])?;
        let zero = weight_zero(graph, id, &q.inputs[1])?;
        if q.inputs[1].axis.is_some_and(|a| a != 1) {
            return Err(
                self.fault(id, "the weights are quantized along another axis than output channels".into())
            );
        }
        let ([kh, kw], (i, o)) = (conv.kernel, (weights.shape()[0], weights.shape()[1]));
        let weights = weights
            .to_shape((i, o, kh, kw))
            .map_err(|e| self.fault(id, format!("weights of shape {:?}: {e}", weights.shape())))?;
        let (outputs, per_group) = (o * conv.groups, i / conv.groups);
        let params = conv.per_output(&q.inputs[1], outputs);
        let yf = fact(graph, id, &q.output, layout::natural(&graph.value(id.into()).fact.shape))?;
        let bias = self.bias(id, outputs)?;
        let rescale = self.rescale(id, q, (&params, 1.0), &xf, &yf)?;
        // Of a result smaller than the strides every row is a part of its own.
        let every: [usize; 2] = std::array::from_fn(|d| conv.strides[d].min(conv.output[d]));
        let parts = |d: usize| (0..every[d]).map(move |r| Part::of(conv, d, r)).collect::<Option<Vec<_>>>();
        let (Some(rows), Some(columns)) = (parts(0), parts(1)) else {
            return Err(at(
                graph,
                id,
                code::ATTRIBUTE_UNSUPPORTED,
                "pads that exceed the kernel by so much are not supported",
                conv.describe().to_string(),
            )
            .remedy("crop the operand with a Slice instead"));
        };
        let mut layers = Vec::with_capacity(rows.len() * columns.len());
        for (r, row) in rows.iter().enumerate() {
            for (c, column) in columns.iter().enumerate() {
                let none = Part { taps: vec![None], dilation: 1, pad: 0 };
                let idle = |p: &Part| p.taps.iter().all(Option::is_none);
                // Without a tap along one axis there is none at all.
                let axes = if idle(row) || idle(column) { [&none, &none] } else { [row, column] };
                let kernel = axes.map(|p| p.taps.len());
                let mut weight = Array4::zeros((outputs, per_group, kernel[0], kernel[1]));
                for ((to, from, h, w), value) in weight.indexed_iter_mut() {
                    if let (Some(kh), Some(kw)) = (axes[0].taps[h], axes[1].taps[w]) {
                        let (group, channel) = (to / o, to % o);
                        *value = centred(weights[[group * per_group + from, channel, kh, kw]], zero(channel));
                    }
                }
                let first = [r, c];
                let size: [usize; 2] =
                    std::array::from_fn(|d| (conv.output[d] - first[d]).div_ceil(every[d]));
                let mut window = Window { kernel, ..Window::POINT };
                for d in 0..2 {
                    window.dilations[d] = axes[d].dilation;
                    window.pads[d] = axes[d].pad;
                    let reach = size[d] + (kernel[d] - 1) * axes[d].dilation;
                    window.pads[d + 2] = reach.saturating_sub(xf.shape[d + 1] + axes[d].pad);
                }
                let op = int::Conv {
                    window,
                    groups: conv.groups,
                    weight,
                    bias: bias.clone(),
                    rescale: rescale.clone(),
                    weight_scale: params.scale.clone(),
                    form: ConvForm::Transposed,
                };
                layers.push((IntOp::Conv(op), [outputs, size[0], size[1]]));
            }
        }
        if layers.len() == 1
            && let Some((op, _)) = layers.pop()
        {
            self.place(id, op, &[port], yf, None);
            return Ok(());
        }
        let name = graph.node(id).name.clone();
        let add = |(n, (op, shape)): (usize, (IntOp, [usize; 3]))| {
            let name = format!("{name}_part{n}");
            self.add(&name, &name, op, &[port], QFact { shape, ..yf.clone() })
        };
        let ports: Vec<_> = layers.into_iter().enumerate().map(add).collect();
        self.place(id, IntOp::Concat(Concat::Interleave(every)), &ports, yf, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use crate::arith::RescaleSpec;
    use crate::exec::{Data, Executor};
    use crate::graph::parse;
    use crate::passes::compile_front;

    /// SplitMix64.
    struct Rng(u64);

    impl Rng {
        fn size(&mut self, lo: usize, hi: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            lo + usize::try_from((z ^ (z >> 31)) % (hi - lo + 1) as u64).unwrap()
        }
        fn int(&mut self, lo: i32, hi: i32) -> i32 {
            lo + i32::try_from(self.size(0, usize::try_from(hi - lo).unwrap())).unwrap()
        }
    }

    /// Along one axis: sizes and attributes, and what of the full result is left.
    #[derive(Clone, Copy, Debug)]
    struct Axis {
        size: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        extra: usize,
        begin: usize,
        output: usize,
    }

    impl Axis {
        const ROW: Axis = Axis { size: 1, kernel: 1, stride: 1, dilation: 1, extra: 0, begin: 0, output: 1 };
        fn full(self) -> usize {
            (self.size - 1) * self.stride + (self.kernel - 1) * self.dilation + 1 + self.extra
        }
    }

    fn list<T: ToString>(v: &[T], between: &str) -> String {
        v.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
    }

    /// One random operator: the file as text, executed; and every product added where ONNX says.
    fn check(seed: u64) {
        let rng = &mut Rng(seed);
        let rank = if rng.size(0, 3) == 0 { 1 } else { 2 };
        let mode = rng.size(0, 3);
        let mut axes = [Axis::ROW; 2];
        let mut ends = [0; 2];
        for d in 2 - rank..2 {
            let a = &mut axes[d];
            (a.size, a.kernel, a.stride) = (rng.size(1, 5), rng.size(1, 5), rng.size(1, 4));
            a.dilation = if rng.size(0, 2) == 0 { rng.size(2, 3) } else { 1 };
            a.extra = if rng.size(0, 1) == 0 { rng.size(0, a.stride - 1) } else { 0 };
            (a.output, ends[d]) = match mode {
                0 => (a.size * a.stride, 0),
                1 => (rng.size(1, a.full() + a.stride - 1 - a.extra), 0),
                _ => {
                    a.begin = rng.size(0, a.full().min(6) - 1);
                    ends[d] = rng.size(0, (a.full() - a.begin).min(6) - 1);
                    (a.full() - a.begin - ends[d], ends[d])
                }
            };
        }
        let upper = rng.size(0, 1) == 0;
        if mode < 2 {
            for a in &mut axes {
                let total = a.full().saturating_sub(a.output);
                a.begin = if upper { total / 2 } else { total.div_ceil(2) };
                if mode == 0 {
                    a.output = a.output.min(a.full());
                }
            }
        }
        let groups = rng.size(1, 3);
        let (from, to) = (rng.size(1, 3), rng.size(1, 3));
        let (inputs, outputs) = (groups * from, groups * to);
        let [h, w] = axes;
        let weights: Vec<i32> = (0..inputs * to * h.kernel * w.kernel).map(|_| rng.int(-128, 127)).collect();
        let scales = if rng.size(0, 1) == 0 { 1 } else { to };
        let scale: Vec<f32> = (0..scales).map(|_| rng.int(1, 60) as f32 / 1000.0).collect();
        let (zx, zy) = (rng.int(-128, 127), rng.int(-128, 127));
        let x: Vec<i8> =
            (0..inputs * h.size * w.size).map(|_| i8::try_from(rng.int(-128, 127)).unwrap()).collect();
        let bias: Vec<i32> = (0..outputs).map(|_| rng.int(-9000, 9000)).collect();
        let relu = rng.size(0, 1) == 0;

        let of =
            |f: fn(Axis) -> usize| list(&axes[2 - rank..].iter().map(|a| f(*a)).collect::<Vec<_>>(), ",");
        let mut attributes = format!(
            "group={groups} strides=[{}] dilations=[{}] output_padding=[{}]",
            of(|a| a.stride),
            of(|a| a.dilation),
            of(|a| a.extra)
        );
        attributes += &match (mode, upper) {
            (0, true) => " auto_pad=\"SAME_UPPER\"".to_owned(),
            (0, false) => " auto_pad=\"SAME_LOWER\"".to_owned(),
            (1, true) => format!(" auto_pad=\"SAME_UPPER\" output_shape=[{}]", of(|a| a.output)),
            (1, false) => format!(" output_shape=[{}]", of(|a| a.output)),
            _ => format!(" pads=[{},{}]", of(|a| a.begin), list(&ends[2 - rank..], ",")),
        };
        // The bias's scale is the accumulator's.
        let sums: Vec<f32> =
            (0..outputs).map(|o| 0.05 * scale[if scales == 1 { 0 } else { o % to }]).collect();
        let text = format!(
            "opset 13\n\
             input x: i8[1,{inputs},{}]\n\
             const w: i8[{inputs},{to},{}] = {}\n\
             const b: i32[{outputs}] = {}\n\
             wf = DequantizeLinear(w, f32{} {}, i8{} {}) axis=1\n\
             bf = DequantizeLinear(b, f32[{outputs}] {}, i32[{outputs}] {}) axis=0\n\
             xf = DequantizeLinear(x, f32 0.05, i8 {zx})\n\
             c = ConvTranspose(xf, wf, bf) {attributes}\n\
             {}\
             yq = QuantizeLinear({}, f32 0.8, i8 {zy})\n\
             output yq: i8\n",
            of(|a| a.size),
            of(|a| a.kernel),
            list(&weights, " "),
            list(&bias, " "),
            if scales == 1 { String::new() } else { format!("[{scales}]") },
            list(&scale, " "),
            if scales == 1 { String::new() } else { format!("[{scales}]") },
            list(&vec![0; scales], " "),
            list(&sums, " "),
            list(&vec![0; outputs], " "),
            if relu { "r = Relu(c)\n" } else { "" },
            if relu { "r" } else { "c" },
        );
        let model = parse::parse(&text).unwrap_or_else(|e| panic!("{text}\n{e}"));
        let graph = compile_front(&model).unwrap_or_else(|e| panic!("{text}\n{e}"));
        let shape: Vec<usize> =
            [1, inputs].into_iter().chain(axes[2 - rank..].iter().map(|a| a.size)).collect();
        let data = Data::I8(ArrayD::from_shape_vec(IxDyn(&shape), x.clone()).unwrap());
        let got = Executor::new(&graph).unwrap().run(&[data]).unwrap();
        let Data::I8(got) = &got[0] else { panic!("{text}") };

        let mut sum: Vec<i32> =
            (0..outputs * h.output * w.output).map(|i| bias[i / (h.output * w.output)]).collect();
        for i in 0..inputs {
            for (r, c) in (0..h.size).flat_map(|r| (0..w.size).map(move |c| (r, c))) {
                let value = i32::from(x[(i * h.size + r) * w.size + c]) - zx;
                for o in 0..to {
                    for (a, b) in (0..h.kernel).flat_map(|a| (0..w.kernel).map(move |b| (a, b))) {
                        let row = (r * h.stride + a * h.dilation).checked_sub(h.begin);
                        let column = (c * w.stride + b * w.dilation).checked_sub(w.begin);
                        if let (Some(row), Some(column)) = (row, column)
                            && row < h.output
                            && column < w.output
                        {
                            let at = ((i / from * to + o) * h.output + row) * w.output + column;
                            sum[at] += value * weights[((i * to + o) * h.kernel + a) * w.kernel + b];
                        }
                    }
                }
            }
        }
        let spec = RescaleSpec {
            scale: sums.iter().map(|s| s / 0.8).collect(),
            zero_point: zy,
            lo: if relu { zy } else { -128 },
            hi: 127,
        };
        let pixels = h.output * w.output;
        let want: Vec<i8> = sum.iter().enumerate().map(|(i, v)| spec.apply(i / pixels, *v)).collect();
        assert_eq!(got.iter().copied().collect::<Vec<_>>(), want, "seed {seed}\n{text}");
    }

    #[test]
    fn parts_add_up_to_the_definition() {
        (0..600).for_each(check);
    }
}
