//! MLAS's own elementary functions on x86-64 with FMA3 or AVX-512: rational and polynomial approximations,
//! reproduced operation for operation.
//!
//! In: float32. Out: the float32 that ONNX Runtime's kernels give, NaN included where a caller can meet it.
//! The coefficients are data of ONNX Runtime (MIT), `core/mlas/lib/{logistic,tanh,compute,erf}.cpp`; the tanh and
//! logistic ones come from Eigen, those of the exponential and of the error function from N. Juffa's published
//! approximations.
#![allow(clippy::excessive_precision, reason = "the coefficients are written as their source writes them")]

/// How wide the vectors of the reference machine are. Elementwise results agree but for exp below -87; the order
/// of a sum, and so the last bit of a float Softmax, does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// Eight lanes: AVX2 with FMA3. The profile of the golden bytes.
    Fma3,
    /// Sixteen lanes: AVX-512F.
    Avx512,
}

impl Lanes {
    /// What ONNX Runtime uses on the machine that this runs on.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx512f") {
            return Lanes::Avx512;
        }
        Lanes::Fma3
    }
}

/// Horner's rule with fused steps: the highest coefficient first.
fn horner(x: f32, coefficients: &[f32]) -> f32 {
    let mut steps = coefficients.iter();
    let first = steps.next().copied().unwrap_or(0.0);
    steps.fold(first, |p, &c| p.mul_add(x, c))
}

/// `MlasComputeLogistic`.
pub(crate) fn logistic(x: f32) -> f32 {
    const P: [f32; 5] = [
        4.37031012579801e-11,
        1.15627324459942e-07,
        6.08574864600143e-05,
        8.51377133304701e-03,
        2.48287947061529e-01,
    ];
    const Q: [f32; 6] = [
        6.10247389755681e-13,
        5.76102136993427e-09,
        6.29106785017040e-06,
        1.70198817374094e-03,
        1.16817656904453e-01,
        9.93151921023180e-01,
    ];
    let x = x.clamp(-18.0, 18.0);
    let square = x * x;
    let p = horner(square, &P) * x;
    (p / horner(square, &Q) + 0.5).clamp(0.0, 1.0)
}

/// `MlasComputeTanh`.
pub(crate) fn tanh(x: f32) -> f32 {
    const P: [f32; 7] = [
        -2.76076847742355e-16,
        2.00018790482477e-13,
        -8.60467152213735e-11,
        5.12229709037114e-08,
        1.48572235717979e-05,
        6.37261928875436e-04,
        4.89352455891786e-03,
    ];
    const Q: [f32; 4] =
        [1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03];
    let x = x.clamp(-9.0, 9.0);
    let square = x * x;
    horner(square, &P) * x / horner(square, &Q)
}

/// The polynomial of `MlasComputeExpF32Kernel` and `MlasComputeSumExpF32Kernel`.
const EXP: [f32; 7] = [
    0.001_378_059_387_207_031_25,  // 0x1.694000p-10
    0.008_373_124_524_950_981_14,  // 0x1.125edcp-7
    0.041_669_536_381_959_915_161, // 0x1.555b5ap-5
    0.166_664_719_581_604_003_906, // 0x1.555450p-3
    0.499_999_850_988_388_061_523, // 0x1.fffff6p-2
    1.0,
    1.0,
];

/// `MlasComputeExp`.
pub(crate) fn exp(x: f32) -> f32 {
    reduced_exp(x.clamp(-103.9720840454, 88.7762626647950), &EXP)
}

/// `MlasComputeErf`.
pub(crate) fn erf(x: f32) -> f32 {
    const SMALL: [f32; 6] =
        [-5.99104969e-4, 4.99339588e-3, -2.67667342e-2, 1.12818025e-1, -3.76124859e-1, 1.28379151e-1];
    const BIG: [f32; 7] = [
        1.72948930e-5,
        -3.83208680e-4,
        3.88393435e-3,
        -2.42545605e-2,
        1.06777847e-1,
        6.34846687e-1,
        1.28717512e-1,
    ];
    const EXP_OF_BIG: [f32; 7] =
        [1.38319808e-3, 8.37550033e-3, 4.16689515e-2, 1.66664466e-1, 4.99999851e-1, 1.0, 1.0];
    let size = x.abs().min(3.925);
    let y = if size >= 0.921875 {
        let r = horner(size, &BIG).mul_add(size, size);
        1.0 - reduced_exp(-r, &EXP_OF_BIG)
    } else {
        horner(size * size, &SMALL).mul_add(size, size)
    };
    y.copysign(x)
}

/// exp(x) for x <= 0 as `MlasComputeSumExpF32Kernel` computes it.
fn exp_nonpositive(x: f32, lanes: Lanes) -> f32 {
    let lowest = match lanes {
        Lanes::Fma3 => -88.3762626647949,
        Lanes::Avx512 => -103.9720840454,
    };
    // VMAXPS returns its second operand for a NaN; a NaN input therefore stays one.
    reduced_exp(if lowest > x { lowest } else { x }, &EXP)
}

/// exp(x) by range reduction to p(r) * 2^m, for x that the callers have bounded to -104 ..= 89.
fn reduced_exp(x: f32, polynomial: &[f32; 7]) -> f32 {
    const LOG2_RECIPROCAL: f32 = std::f32::consts::LOG2_E;
    const LOG2_HIGH: f32 = -6.93145752e-1;
    const LOG2_LOW: f32 = -1.42860677e-6;
    const ROUNDING_BIAS: f32 = 12_582_912.0;
    let m = x.mul_add(LOG2_RECIPROCAL, ROUNDING_BIAS) - ROUNDING_BIAS;
    let reduced = m.mul_add(LOG2_LOW, m.mul_add(LOG2_HIGH, x));
    scale_by_power(horner(reduced, polynomial), m)
}

/// p * 2^m, one rounding, for an integral m of -150 ..= 128; NaN stays NaN.
fn scale_by_power(p: f32, m: f32) -> f32 {
    // Both factors are exact in double; the one rounding is the conversion.
    (f64::from(p) * f64::from(m).exp2()) as f32
}

/// `MlasComputeSoftmax` of one row, in place.
pub(crate) fn softmax(row: &mut [f32], lanes: Lanes) {
    let largest = row.iter().copied().fold(f32::MIN, |max, x| if max > x { max } else { x });
    for x in row.iter_mut() {
        *x = exp_nonpositive(*x + -largest, lanes);
    }
    let factor = 1.0 / lane_sum(row, lanes);
    for x in row.iter_mut() {
        *x *= factor;
    }
}

/// `MlasComputeSoftmax` with `LogSoftmax` of one row, in place.
pub(crate) fn log_softmax(row: &mut [f32], lanes: Lanes) {
    let largest = row.iter().copied().fold(f32::MIN, |max, x| if max > x { max } else { x });
    let powers: Vec<f32> = row.iter().map(|x| exp_nonpositive(*x + -largest, lanes)).collect();
    let logarithm = lane_sum(&powers, lanes).ln();
    for x in row.iter_mut() {
        *x = *x + -largest - logarithm;
    }
}

/// The sum as the kernels add it: one accumulator for each lane, then the lanes.
fn lane_sum(row: &[f32], lanes: Lanes) -> f32 {
    let mut acc = [0.0f32; 16];
    let width = match lanes {
        Lanes::Fma3 => 8,
        Lanes::Avx512 => 16,
    };
    for (i, &x) in row.iter().enumerate() {
        acc[i % width] += x;
    }
    if width == 16 {
        let (low, high) = acc.split_at_mut(8);
        low.iter_mut().zip(high).for_each(|(l, h)| *l += *h);
    }
    // Two horizontal additions within each half of four, then the halves.
    ((acc[0] + acc[1]) + (acc[2] + acc[3])) + ((acc[4] + acc[5]) + (acc[6] + acc[7]))
}
