//! Convolution: weights packed once for the kernels of [`super::kernel`], then one sample at a time.
//!
//! In: a [`Conv`] with the facts of its operand and result. Out: canonical results in row, column, channel order,
//! and on demand the int32 accumulators. Guarantees: acc = sum (x - zx) * w + bias exactly; the fast forms are
//! chosen only where an interval proves that every partial sum fits int32; otherwise sums are 64 bits wide, and
//! one that leaves int32 is a diagnostic.

use super::kernel::{self, Acc, Dense, Depthwise, Kernel, LANES, PIXELS, Requant, depthwise_lane};
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{Conv, QFact};

/// A convolution ready to run.
#[derive(Debug)]
pub(crate) struct PackedConv {
    x: [usize; 3],
    y: [usize; 3],
    zero_point: i16,
    /// Padded map: rows, columns, channels.
    map: [usize; 3],
    /// Top and left pad.
    origin: [usize; 2],
    strides: [usize; 2],
    /// Channel of x in each channel of the padded map; empty means the same.
    source: Vec<usize>,
    form: Form,
    output: Output,
}

/// What follows the accumulator.
#[derive(Debug)]
struct Output {
    lo: f32,
    hi: f32,
    zero_point: i32,
}

#[derive(Debug)]
enum Form {
    Dense { runs: Vec<usize>, pairs: usize, blocks: Vec<Block> },
    Depthwise { taps: Vec<usize>, blocks: Vec<Block> },
    Wide { taps: Vec<usize>, inputs: usize, blocks: Vec<Block>, node: String },
}

/// Up to 16 output channels of one group.
#[derive(Debug)]
struct Block {
    /// First output channel.
    first: usize,
    /// Channels in use.
    lanes: usize,
    /// Offset of its first input channel in the padded map.
    offset: usize,
    weights: Vec<i16>,
    bias: Acc,
    scale: [f32; LANES],
}

/// Buffers that one worker reuses.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    padded: Vec<i16>,
}

impl PackedConv {
    /// Checks and packs. `node` names the node in diagnostics.
    pub(crate) fn new(conv: &Conv, x: &QFact, y: &QFact, node: &str) -> Result<PackedConv> {
        check(conv, x, y).map_err(|cause| {
            Diagnostic::new(code::INTERNAL, "a convolution is not well formed", cause).at(node)
        })?;
        let window = &conv.window;
        let (co, cg) = (conv.weight.dim().0, conv.weight.dim().1);
        let reach = |i: usize| {
            (y.shape[i + 1] - 1) * window.strides[i] + (window.kernel[i] - 1) * window.dilations[i] + 1
        };
        let depthwise = cg == 1 && conv.groups > 1;
        let narrow = fits_int32(conv, x);
        let channels = if depthwise && narrow { co.next_multiple_of(LANES) } else { x.shape[0] };
        let map =
            [reach(0).max(x.shape[1] + window.pads[0]), reach(1).max(x.shape[2] + window.pads[1]), channels];
        let pitch = map[1] * map[2];
        let tap = |kh: usize, kw: usize| kh * window.dilations[0] * pitch + kw * window.dilations[1] * map[2];
        let taps: Vec<usize> = (0..window.kernel[0])
            .flat_map(|kh| (0..window.kernel[1]).map(move |kw| (kh, kw)))
            .map(|(kh, kw)| tap(kh, kw))
            .collect();
        let form = if !narrow {
            pack_wide(conv, taps, node)
        } else if depthwise {
            pack_depthwise(conv, taps)
        } else {
            pack_dense(conv, &taps, pitch)
        };
        // A depthwise map repeats each input channel for the outputs that read it.
        let source = match form {
            Form::Depthwise { .. } => (0..channels).map(|o| o.min(co - 1) * conv.groups / co).collect(),
            Form::Dense { .. } | Form::Wide { .. } => Vec::new(),
        };
        let source = if source.iter().copied().eq(0..x.shape[0]) { Vec::new() } else { source };
        let zp = conv.rescale.zero_point;
        Ok(PackedConv {
            x: x.shape,
            y: y.shape,
            zero_point: i16::try_from(x.zero_point).unwrap_or_default(),
            map,
            origin: [window.pads[0], window.pads[1]],
            strides: window.strides,
            source,
            form,
            // Integers below 2^24 are exact in float32.
            output: Output {
                lo: (conv.rescale.lo - zp) as f32,
                hi: (conv.rescale.hi - zp) as f32,
                zero_point: zp,
            },
        })
    }

    /// Results of one sample, `[h, w, c]`; `sums` receives the accumulators in the same order.
    pub(crate) fn run(
        &self,
        kernel: Kernel,
        x: &[i8],
        y: &mut [i8],
        mut sums: Option<&mut [i32]>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        self.pad(kernel, x, &mut scratch.padded);
        let x = &scratch.padded[..];
        let [co, oh, ow] = self.y;
        let pixels = oh * ow;
        let base = |pixel: usize| {
            (pixel / ow * self.strides[0] * self.map[1] + pixel % ow * self.strides[1]) * self.map[2]
        };
        let (Form::Dense { blocks, .. } | Form::Depthwise { blocks, .. } | Form::Wide { blocks, .. }) =
            &self.form;
        for block in blocks {
            let requant = Requant {
                scale: &block.scale,
                lo: self.output.lo,
                hi: self.output.hi,
                zero_point: self.output.zero_point,
            };
            let mut finish = |pixel: usize, acc: &Acc| {
                let at = pixel * co + block.first;
                let out = requant.run(kernel, acc);
                y[at..at + block.lanes].copy_from_slice(&out[..block.lanes]);
                if let Some(sums) = &mut sums {
                    sums[at..at + block.lanes].copy_from_slice(&acc[..block.lanes]);
                }
            };
            let mut acc = [0; LANES];
            match &self.form {
                Form::Dense { runs, pairs, .. } => {
                    let dense = Dense { runs, pairs: *pairs, weights: &block.weights, bias: &block.bias };
                    let tiles = pixels / PIXELS;
                    let mut tile = [[0; LANES]; PIXELS];
                    for first in (0..tiles).map(|t| t * PIXELS) {
                        let bases = std::array::from_fn(|p| base(first + p) + block.offset);
                        dense.run(kernel, x, &bases, &mut tile);
                        for (p, acc) in tile.iter().enumerate() {
                            finish(first + p, acc);
                        }
                    }
                    for pixel in tiles * PIXELS..pixels {
                        dense.run_one(kernel, x, base(pixel) + block.offset, &mut acc);
                        finish(pixel, &acc);
                    }
                }
                Form::Depthwise { taps, .. } => {
                    let depthwise = Depthwise { taps, weights: &block.weights, bias: &block.bias };
                    for pixel in 0..pixels {
                        depthwise.run(kernel, x, base(pixel) + block.offset, &mut acc);
                        finish(pixel, &acc);
                    }
                }
                Form::Wide { taps, inputs, node, .. } => {
                    for pixel in 0..pixels {
                        for (lane, acc) in acc.iter_mut().enumerate().take(block.lanes) {
                            let weights = &block.weights[lane * inputs * taps.len()..][..inputs * taps.len()];
                            let x = &x[base(pixel) + block.offset..];
                            *acc = wide(x, taps, weights, *inputs, block.bias[lane], node)?;
                        }
                        finish(pixel, &acc);
                    }
                }
            }
        }
        Ok(())
    }

    /// The padded map of centred activations.
    fn pad(&self, kernel: Kernel, x: &[i8], to: &mut Vec<i16>) {
        let [c, h, w] = self.x;
        let [rows, columns, channels] = self.map;
        // The dense kernel reads whole pairs: one element past the last run, which meets a zero weight.
        let len = rows * columns * channels + 2;
        to.clear();
        to.resize(len, 0);
        for row in 0..h {
            let from = &x[row * w * c..][..w * c];
            let at = ((row + self.origin[0]) * columns + self.origin[1]) * channels;
            if self.source.is_empty() {
                kernel::center(kernel, from, self.zero_point, &mut to[at..][..w * c]);
            } else {
                for (from, to) in from.chunks_exact(c).zip(to[at..].chunks_exact_mut(channels)) {
                    for (to, source) in to.iter_mut().zip(&self.source) {
                        *to = i16::from(from[*source]) - self.zero_point;
                    }
                }
            }
        }
    }
}

/// One accumulator in 64 bits.
fn wide(x: &[i16], taps: &[usize], weights: &[i16], inputs: usize, bias: i32, node: &str) -> Result<i32> {
    let mut acc = i64::from(bias);
    for (tap, weights) in taps.iter().zip(weights.chunks_exact(inputs)) {
        for (x, w) in x[*tap..].iter().zip(weights) {
            // |x * w| <= 255 * 255; 2^47 of them fit.
            acc += i64::from(*x) * i64::from(*w);
        }
    }
    i32::try_from(acc).map_err(|_| {
        Diagnostic::new(
            code::ACCUMULATOR_OVERFLOW,
            "an accumulator leaves int32 on this input",
            format!("the sum is {acc}"),
        )
        .at(node)
        .into()
    })
}

fn check(conv: &Conv, x: &QFact, y: &QFact) -> std::result::Result<(), String> {
    let (co, cg, kh, kw) = conv.weight.dim();
    let window = &conv.window;
    let rescale = &conv.rescale;
    let rule = |ok: bool, what: &str| if ok { Ok(()) } else { Err(what.to_owned()) };
    rule(window.kernel == [kh, kw] && kh > 0 && kw > 0, "the kernel and the weights disagree")?;
    rule(window.strides.iter().chain(&window.dilations).all(|v| *v > 0), "a stride or dilation is zero")?;
    rule(conv.groups > 0 && cg > 0, "there is no group or no input channel")?;
    rule(cg.checked_mul(conv.groups) == Some(x.shape[0]), "groups and input channels disagree")?;
    rule(co > 0 && co % conv.groups == 0, "groups and output channels disagree")?;
    rule(y.shape[0] == co, "the output fact has another channel count")?;
    rule(!x.is_empty() && !y.is_empty(), "a tensor is empty")?;
    rule(conv.bias.len() == co, "there is not one bias per output channel")?;
    rule(
        matches!(rescale.scale.len(), 1) || rescale.scale.len() == co,
        "there is not one scale per channel",
    )?;
    rule(rescale.scale.iter().all(|s| s.is_finite() && *s >= 0.0), "a rescale is not finite")?;
    let byte = -128..=127;
    rule(byte.contains(&rescale.lo) && byte.contains(&rescale.hi), "the bounds leave int8")?;
    rule(rescale.lo <= rescale.hi, "the bounds are empty")?;
    rule(byte.contains(&rescale.zero_point) && byte.contains(&x.zero_point), "a zero point leaves int8")?;
    rule((1..=8).contains(&x.bits) && (1..=8).contains(&y.bits), "a bit width is not 1 to 8")?;
    rule(conv.weight.iter().all(|w| (-255..=255).contains(w)), "a weight leaves -255 ..= 255")
}

/// Whether every partial sum of every output fits int32, whatever the input.
fn fits_int32(conv: &Conv, x: &QFact) -> bool {
    let half = 1_i32 << (x.bits - 1);
    // Odd run lengths read a stray element against a zero weight, so only real weights count.
    let most = i64::from((half - 1 - x.zero_point).abs().max((-half - x.zero_point).abs()));
    conv.weight.outer_iter().zip(&conv.bias).all(|(w, bias)| {
        let reach: i64 = w.iter().map(|w| i64::from(*w).abs()).sum::<i64>() * most + i64::from(*bias).abs();
        reach <= i64::from(i32::MAX)
    })
}

/// One block per up to 16 output channels of one group, with bias and scale, no weights yet.
fn blocks(conv: &Conv) -> Vec<Block> {
    let (co, cg, ..) = conv.weight.dim();
    let per_group = co / conv.groups;
    let mut out = Vec::new();
    for group in 0..conv.groups {
        for at in (0..per_group).step_by(LANES) {
            out.push(block(conv, group * per_group + at, LANES.min(per_group - at), group * cg));
        }
    }
    out
}

fn block(conv: &Conv, first: usize, lanes: usize, offset: usize) -> Block {
    let scale = &conv.rescale.scale;
    let of = |j: usize| (j < lanes).then_some(first + j);
    Block {
        first,
        lanes,
        offset,
        weights: Vec::new(),
        bias: std::array::from_fn(|j| of(j).map_or(0, |o| conv.bias[o])),
        scale: std::array::from_fn(|j| of(j).map_or(0.0, |o| scale[o.min(scale.len() - 1)])),
    }
}

/// Weights: for each lane, each tap, the group's input channels.
fn pack_wide(conv: &Conv, taps: Vec<usize>, node: &str) -> Form {
    let (_, cg, kh, kw) = conv.weight.dim();
    let mut blocks = blocks(conv);
    for block in &mut blocks {
        for o in block.first..block.first + block.lanes {
            for (h, w) in (0..kh).flat_map(|h| (0..kw).map(move |w| (h, w))) {
                block.weights.extend((0..cg).map(|i| conv.weight[[o, i, h, w]]));
            }
        }
    }
    Form::Wide { taps, inputs: cg, blocks, node: node.to_owned() }
}

fn pack_dense(conv: &Conv, taps: &[usize], pitch: usize) -> Form {
    let (_, cg, kh, kw) = conv.weight.dim();
    // Neighbouring columns are neighbours in memory where one group owns all channels and taps are not dilated;
    // whole rows are, where the kernel is as wide as the map.
    let columns = conv.groups == 1 && (conv.window.dilations[1] == 1 || kw == 1);
    let rows = columns && (kh == 1 || conv.window.dilations[0] * pitch == kw * cg);
    let taps_per_run = if rows {
        kh * kw
    } else if columns {
        kw
    } else {
        1
    };
    let runs: Vec<usize> = taps.iter().copied().step_by(taps_per_run).collect();
    let length = taps_per_run * cg;
    let pairs = length.div_ceil(2);
    let mut blocks = blocks(conv);
    for block in &mut blocks {
        block.weights.reserve_exact(runs.len() * pairs * 2 * LANES);
        for run in 0..runs.len() {
            for pair in 0..pairs {
                for lane in 0..LANES {
                    for e in [2 * pair, 2 * pair + 1] {
                        let tap = run * taps_per_run + e / cg;
                        let used = lane < block.lanes && e < length;
                        let at = || [block.first + lane, e % cg, tap / kw, tap % kw];
                        block.weights.push(if used { conv.weight[at()] } else { 0 });
                    }
                }
            }
        }
    }
    Form::Dense { runs, pairs, blocks }
}

fn pack_depthwise(conv: &Conv, mut taps: Vec<usize>) -> Form {
    let (co, _, _, kw) = conv.weight.dim();
    let real = taps.len();
    if !real.is_multiple_of(2) {
        taps.push(taps[0]);
    }
    let blocks = (0..co)
        .step_by(LANES)
        .map(|first| {
            let mut block = block(conv, first, LANES.min(co - first), first);
            block.weights = vec![0; taps.len() * LANES];
            for tap in 0..real {
                for lane in 0..block.lanes {
                    let at = (tap / 2) * 2 * LANES + 2 * depthwise_lane(lane) + tap % 2;
                    block.weights[at] = conv.weight[[first + lane, 0, tap / kw, tap % kw]];
                }
            }
            block
        })
        .collect();
    Form::Depthwise { taps, blocks }
}
