//! The inner loops with AVX2: `vpmaddwd` on pairs of 16-bit values.
//!
//! The safe wrappers are reached only through [`super::Kernel::Avx2`], whose token proves that the CPU has AVX2,
//! and after the bounds checks in [`super`].
#![allow(unsafe_code, reason = "SIMD intrinsics: unaligned loads within checked slices")]

use std::arch::x86_64::*;

use super::{Acc, Dense, Depthwise, LANES, PIXELS, Requant};

pub(super) fn dense(d: &Dense<'_>, x: &[i16], base: &[usize; PIXELS], acc: &mut [Acc; PIXELS]) {
    // SAFETY: AVX2 is present (token); `Dense::run` checked every read.
    unsafe { dense_tile(d, x, base, acc) }
}

pub(super) fn dense_one(d: &Dense<'_>, x: &[i16], base: usize, acc: &mut Acc) {
    // SAFETY: AVX2 is present (token); `Dense::run_one` checked every read.
    unsafe { dense_tile(d, x, &[base], std::array::from_mut(acc)) }
}

pub(super) fn depthwise(d: &Depthwise<'_>, x: &[i16], base: usize, acc: &mut Acc) {
    // SAFETY: AVX2 is present (token); `Depthwise::run` checked every read.
    unsafe { depthwise_block(d, x, base, acc) }
}

pub(super) fn requantize(r: &Requant<'_>, acc: &Acc) -> [i8; LANES] {
    // SAFETY: AVX2 is present (token); loads and stores stay in the fixed-size arrays.
    unsafe { requantize_block(r, acc) }
}

pub(super) fn center(from: &[i8], zero_point: i16, to: &mut [i16]) {
    // SAFETY: AVX2 is present (token).
    unsafe { center_row(from, zero_point, to) }
}

/// # Safety
/// AVX2; for every base and run, `x[base + run ..][.. 2 * pairs]` exists; `weights` holds `runs * pairs` blocks of 32.
#[target_feature(enable = "avx2")]
unsafe fn dense_tile<const P: usize>(d: &Dense<'_>, x: &[i16], base: &[usize; P], acc: &mut [Acc; P]) {
    let bias = d.bias.as_ptr().cast::<__m256i>();
    // SAFETY: the bias has 16 int32.
    let (b0, b1) = unsafe { (_mm256_loadu_si256(bias), _mm256_loadu_si256(bias.add(1))) };
    let mut sums = [[b0, b1]; P];
    let mut w = d.weights.as_ptr();
    for run in d.runs {
        // SAFETY: within `x`, by the contract.
        let px: [*const i16; P] = std::array::from_fn(|p| unsafe { x.as_ptr().add(base[p] + run) });
        for k in 0..d.pairs {
            // SAFETY: the block of 32 weights of this run and pair.
            let (w0, w1) = unsafe { (_mm256_loadu_si256(w.cast()), _mm256_loadu_si256(w.add(LANES).cast())) };
            for p in 0..P {
                // SAFETY: activations 2k and 2k+1 of this run; read as one unaligned 32-bit word.
                let pair = _mm256_set1_epi32(unsafe { px[p].add(2 * k).cast::<i32>().read_unaligned() });
                sums[p][0] = _mm256_add_epi32(sums[p][0], _mm256_madd_epi16(pair, w0));
                sums[p][1] = _mm256_add_epi32(sums[p][1], _mm256_madd_epi16(pair, w1));
            }
            // SAFETY: at most one past the end of the weights.
            w = unsafe { w.add(2 * LANES) };
        }
    }
    for (acc, sums) in acc.iter_mut().zip(sums) {
        let to = acc.as_mut_ptr().cast::<__m256i>();
        // SAFETY: 16 int32 each.
        unsafe {
            _mm256_storeu_si256(to, sums[0]);
            _mm256_storeu_si256(to.add(1), sums[1]);
        }
    }
}

/// # Safety
/// AVX2; for every tap, `x[base + tap ..][.. 16]` exists; `weights` holds 32 for each pair of taps.
#[target_feature(enable = "avx2")]
unsafe fn depthwise_block(d: &Depthwise<'_>, x: &[i16], base: usize, acc: &mut Acc) {
    let mut low = _mm256_setzero_si256();
    let mut high = _mm256_setzero_si256();
    for (taps, w) in d.taps.chunks_exact(2).zip(d.weights.chunks_exact(2 * LANES)) {
        // SAFETY: 16 activations at each tap and 32 weights, by the contract.
        let (x0, x1, w0, w1) = unsafe {
            let p = x.as_ptr().add(base);
            (
                _mm256_loadu_si256(p.add(taps[0]).cast()),
                _mm256_loadu_si256(p.add(taps[1]).cast()),
                _mm256_loadu_si256(w.as_ptr().cast()),
                _mm256_loadu_si256(w.as_ptr().add(LANES).cast()),
            )
        };
        low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(x0, x1), w0));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(x0, x1), w1));
    }
    // Channels 0-3, 8-11 and 4-7, 12-15 back into order.
    let first = _mm256_permute2x128_si256::<0x20>(low, high);
    let second = _mm256_permute2x128_si256::<0x31>(low, high);
    let (bias, to) = (d.bias.as_ptr().cast::<__m256i>(), acc.as_mut_ptr().cast::<__m256i>());
    // SAFETY: 16 int32 each.
    unsafe {
        _mm256_storeu_si256(to, _mm256_add_epi32(first, _mm256_loadu_si256(bias)));
        _mm256_storeu_si256(to.add(1), _mm256_add_epi32(second, _mm256_loadu_si256(bias.add(1))));
    }
}

/// # Safety
/// AVX2.
#[target_feature(enable = "avx2")]
unsafe fn requantize_block(r: &Requant<'_>, acc: &Acc) -> [i8; LANES] {
    let (lo, hi) = (_mm256_set1_ps(r.lo), _mm256_set1_ps(r.hi));
    let zero = _mm256_set1_epi32(r.zero_point);
    let half = |i: usize| {
        // SAFETY: 8 int32 and 8 float32 at 8 * i, i < 2.
        let (acc, scale) = unsafe {
            (_mm256_loadu_si256(acc.as_ptr().add(8 * i).cast()), _mm256_loadu_ps(r.scale.as_ptr().add(8 * i)))
        };
        let v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), scale);
        let v = _mm256_min_ps(_mm256_max_ps(v, lo), hi);
        // Both conversions round to nearest even: MXCSR's default mode, which Rust guarantees.
        _mm256_add_epi32(_mm256_cvtps_epi32(v), zero)
    };
    let words = _mm256_packs_epi32(half(0), half(1));
    let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
    let bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
    let mut out = [0_i8; LANES];
    // SAFETY: 16 bytes.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), bytes) };
    out
}

/// # Safety
/// AVX2.
#[target_feature(enable = "avx2")]
unsafe fn center_row(from: &[i8], zero_point: i16, to: &mut [i16]) {
    let zero = _mm256_set1_epi16(zero_point);
    let n = from.len().min(to.len());
    let (from, to) = (&from[..n], &mut to[..n]);
    for (from, to) in from.chunks_exact(LANES).zip(to.chunks_exact_mut(LANES)) {
        // SAFETY: 16 elements each.
        unsafe {
            let x = _mm256_cvtepi8_epi16(_mm_loadu_si128(from.as_ptr().cast()));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm256_sub_epi16(x, zero));
        }
    }
    let done = n - n % LANES;
    super::portable::center(&from[done..], zero_point, &mut to[done..]);
}
