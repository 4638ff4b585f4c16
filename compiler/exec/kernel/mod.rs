//! The inner loops of the executor: 16 output channels of a few output pixels at a time.
//!
//! In: centred activations as i16 (x - zx, pads 0) in row, column, channel order and weights packed by
//! [`super::conv`]. Out: int32 accumulators and int8 results. Guarantees: [`Kernel::Portable`] and
//! [`Kernel::Avx2`] give the same bytes; nothing is read outside the slices passed in.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

/// Output channels per block.
pub(crate) const LANES: usize = 16;
/// Output pixels per tile of the dense kernel.
pub(crate) const PIXELS: usize = 6;

/// Accumulators of one pixel's channel block.
pub(crate) type Acc = [i32; LANES];

/// Which implementation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Plain Rust.
    Portable,
    /// x86-64 with AVX2. Constructed only by [`Kernel::detect`], which asked the CPU.
    Avx2(Avx2Token),
}

/// Proof that the CPU has AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2Token(());

impl Kernel {
    /// The fastest implementation for this CPU.
    pub fn detect() -> Kernel {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Kernel::Avx2(Avx2Token(()));
        }
        Kernel::Portable
    }

    /// Name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Portable => "portable",
            Kernel::Avx2(_) => "avx2",
        }
    }
}

/// A dense reduction: every output pixel reads the same runs of `2 * pairs` activations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dense<'a> {
    /// Offsets of the runs from the pixel's base.
    pub(crate) runs: &'a [usize],
    /// Pairs of activations in a run.
    pub(crate) pairs: usize,
    /// For each run, each pair: `LANES` channels of two weights.
    pub(crate) weights: &'a [i16],
    /// Initial accumulators.
    pub(crate) bias: &'a Acc,
}

/// A depthwise reduction: channel j of the block reads activation j of each tap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depthwise<'a> {
    /// Offsets of the taps from the pixel's base, an even number of them.
    pub(crate) taps: &'a [usize],
    /// For each pair of taps: `LANES` channels of two weights, in the order of [`depthwise_lane`].
    pub(crate) weights: &'a [i16],
    /// Initial accumulators.
    pub(crate) bias: &'a Acc,
}

/// Parameters of one channel block's requantization.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requant<'a> {
    /// One float32 scale per channel.
    pub(crate) scale: &'a [f32; LANES],
    /// Bounds before the zero point is added, exact in float32.
    pub(crate) lo: f32,
    /// See `lo`.
    pub(crate) hi: f32,
    /// Canonical zero point.
    pub(crate) zero_point: i32,
}

/// Where channel `j` of a block stands in packed depthwise weights: interleaving two vectors of 16 works within
/// halves of 8, so the low half of the result holds channels 0-3 and 8-11.
pub(crate) const fn depthwise_lane(j: usize) -> usize {
    (j / 8) * 4 + (j % 4) + ((j / 4) % 2) * 8
}

impl Dense<'_> {
    /// Accumulators of the pixels at `base`. Panics if a read would leave `x` (an internal fault).
    pub(crate) fn run(&self, kernel: Kernel, x: &[i16], base: &[usize; PIXELS], acc: &mut [Acc; PIXELS]) {
        let reach = base.iter().max().unwrap_or(&0) + self.runs.iter().max().unwrap_or(&0) + 2 * self.pairs;
        assert!(reach <= x.len() && self.weights.len() == self.runs.len() * self.pairs * 2 * LANES);
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => avx2::dense(self, x, base, acc),
            _ => portable::dense(self, x, base, acc),
        }
    }

    /// Accumulators of one pixel. Panics as [`Dense::run`].
    pub(crate) fn run_one(&self, kernel: Kernel, x: &[i16], base: usize, acc: &mut Acc) {
        let reach = base + self.runs.iter().max().unwrap_or(&0) + 2 * self.pairs;
        assert!(reach <= x.len() && self.weights.len() == self.runs.len() * self.pairs * 2 * LANES);
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => avx2::dense_one(self, x, base, acc),
            _ => portable::dense(self, x, &[base], std::array::from_mut(acc)),
        }
    }
}

impl Depthwise<'_> {
    /// Accumulators of the pixel at `base`. Panics if a read would leave `x` (an internal fault).
    pub(crate) fn run(&self, kernel: Kernel, x: &[i16], base: usize, acc: &mut Acc) {
        let reach = base + self.taps.iter().max().unwrap_or(&0) + LANES;
        assert!(reach <= x.len() && self.weights.len() == self.taps.len() * LANES);
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => avx2::depthwise(self, x, base, acc),
            _ => portable::depthwise(self, x, base, acc),
        }
    }
}

impl Requant<'_> {
    /// Canonical outputs of one channel block.
    pub(crate) fn run(&self, kernel: Kernel, acc: &Acc) -> [i8; LANES] {
        match kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => avx2::requantize(self, acc),
            _ => portable::requantize(self, acc),
        }
    }
}

/// x - zero_point, widened.
pub(crate) fn center(kernel: Kernel, from: &[i8], zero_point: i16, to: &mut [i16]) {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2(_) => avx2::center(from, zero_point, to),
        _ => portable::center(from, zero_point, to),
    }
}
