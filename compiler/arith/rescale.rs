//! Requantization of an int32 accumulator (MLAS `MlasRequantizeOutput`, used by QLinearConv, QGemm,
//! QLinearMatMul and QLinearGlobalAveragePool).

use super::RescaleSpec;
use super::float::{fl32, narrow, saturate};

/// fl32(acc) * scale, to nearest even, zero point, clamp: the formula behind every rescale.
pub fn requantize(acc: i32, scale: f32, zero_point: i32, lo: i32, hi: i32) -> i8 {
    narrow(saturate(fl32(acc) * scale, zero_point, lo, hi))
}

impl RescaleSpec {
    /// The scale of an output channel (one for all, or one for each).
    pub fn channel_scale(&self, channel: usize) -> f32 {
        match self.scale.as_slice() {
            [one] => *one,
            many => many.get(channel).copied().unwrap_or(0.0),
        }
    }

    /// The canonical output for the accumulator of `channel`, bias included.
    ///
    /// With `scale` holding neither one entry nor one for each channel, missing channels count as scale 0;
    /// `quant::solve` refuses such a specification.
    pub fn apply(&self, channel: usize, acc: i32) -> i8 {
        requantize(acc, self.channel_scale(channel), self.zero_point, self.lo, self.hi)
    }
}
