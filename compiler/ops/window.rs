//! Windows of Conv and the pools: kernel, strides, dilations, pads with `auto_pad` resolved, 1-D forms as one row.
//!
//! Attribute meanings: <https://onnx.ai/onnx/operators/onnx__Conv.html>, <https://onnx.ai/onnx/operators/onnx__MaxPool.html>.

use crate::diag::Diagnostic;
use crate::graph::int::Window;

use super::context::Context;

/// Largest size of any window attribute: keeps all shape arithmetic far from overflow.
const LIMIT: i64 = 1 << 20;

/// Rows and columns of an ONNX shape `[N, C, L]` or `[N, C, H, W]`.
pub fn spatial(shape: &[usize]) -> Option<[usize; 2]> {
    match shape {
        [_, _, l] => Some([1, *l]),
        [_, _, h, w] => Some([*h, *w]),
        _ => None,
    }
}

/// The ONNX output shape of a window over `[N, C, ..]` with `channels` output channels.
pub fn output_shape(input: &[usize], channels: usize, window: &Window, ceil: bool) -> Option<Vec<usize>> {
    let size = spatial(input)?;
    let rows = window.output(size[0], 0, ceil)?;
    let cols = window.output(size[1], 1, ceil)?;
    Some(match input.len() {
        3 => vec![input[0], channels, cols],
        _ => vec![input[0], channels, rows, cols],
    })
}

/// The window of the whole map, as global pools have it.
pub fn whole(size: [usize; 2]) -> Window {
    Window { kernel: size, strides: [1, 1], dilations: [1, 1], pads: [0; 4] }
}

/// Reads `kernel_shape`, `strides`, `dilations`, `pads` and `auto_pad` of a node whose operand 0 has shape `input`.
/// `kernel` is the kernel's shape where the attribute may be left out (Conv), or `None`.
///
/// Beside the window: how many rows and columns of the map lie before the first window. `auto_pad` SAME with strides
/// beyond the kernel crops the map, as ONNX Runtime has it: its pads are negative then. `None` where none is.
pub fn read(
    ctx: &Context<'_>,
    input: &[usize],
    kernel: Option<[usize; 2]>,
) -> Result<(Window, Option<[usize; 2]>), Diagnostic> {
    let Some(size) = spatial(input) else {
        return Err(ctx.operand(0, format!("its shape is {input:?}; one or two spatial axes are supported")));
    };
    let mut window = unpadded(ctx, input.len() - 2, kernel)?;
    let Window { kernel, strides, dilations, .. } = window;
    let mut crop: Option<[usize; 2]> = None;
    let upper = match pads(ctx, input.len() - 2)? {
        Pads::Explicit(pads) => {
            window.pads = pads;
            return Ok((window, crop));
        }
        Pads::Same { upper } => upper,
    };
    for d in 0..2 {
        let out = size[d].div_ceil(strides[d]);
        let extent = dilations[d] * (kernel[d] - 1) + 1;
        let reach = out.saturating_sub(1) * strides[d] + extent;
        let total = reach.saturating_sub(size[d]);
        let (less, more) = (total / 2, total - total / 2);
        (window.pads[d], window.pads[d + 2]) = if upper { (less, more) } else { (more, less) };
        // Measured on ONNX Runtime 1.32 for all sums down to -7; what is left at the end needs no crop.
        let excess = size[d].saturating_sub(reach);
        if excess > 0 {
            let before = excess.saturating_sub(if upper { 1 } else { 2 }) / 2;
            crop.get_or_insert([0; 2])[d] = before;
        }
    }
    Ok((window, crop))
}

/// Two values of an attribute with one for each of `dims` spatial axes, each at least `least`; 1 for the rows that a
/// 1-D form lacks.
pub(super) fn pair(
    ctx: &Context<'_>,
    dims: usize,
    name: &str,
    least: i64,
) -> Result<Option<[usize; 2]>, Diagnostic> {
    let Some(values) = ctx.ints(name)? else { return Ok(None) };
    if values.len() != dims || values.iter().any(|v| *v < least || *v > LIMIT) {
        return Err(ctx.invalid(format!("attribute `{name}` = {values:?} does not fit {dims} spatial axes")));
    }
    let at = |i: usize| usize::try_from(values[i]).unwrap_or(0);
    Ok(Some(if dims == 1 { [1, at(0)] } else { [at(0), at(1)] }))
}

/// Reads `kernel_shape`, `strides` and `dilations`; `kernel` as [`read`] has it.
pub(super) fn unpadded(
    ctx: &Context<'_>,
    dims: usize,
    kernel: Option<[usize; 2]>,
) -> Result<Window, Diagnostic> {
    let given = pair(ctx, dims, "kernel_shape", 1)?;
    if let (Some(a), Some(b)) = (given, kernel)
        && a != b
    {
        return Err(ctx.mismatch(format!("attribute `kernel_shape` says {a:?}, the weights {b:?}")));
    }
    let kernel = given.or(kernel).ok_or_else(|| ctx.invalid("attribute `kernel_shape` is missing"))?;
    let strides = pair(ctx, dims, "strides", 1)?.unwrap_or([1, 1]);
    let dilations = pair(ctx, dims, "dilations", 1)?.unwrap_or([1, 1]);
    if kernel.contains(&0) || kernel.iter().any(|k| *k > LIMIT as usize) {
        return Err(ctx.mismatch(format!("the kernel is {kernel:?}")));
    }
    Ok(Window { kernel, strides, dilations, pads: [0; 4] })
}

/// What `pads` and `auto_pad` say.
pub(super) enum Pads {
    /// Top, left, bottom, right.
    Explicit([usize; 4]),
    /// As the sizes ask for; of an odd number the larger half at the end, else at the beginning.
    Same {
        /// At the end.
        upper: bool,
    },
}

/// Reads `pads` and `auto_pad`.
pub(super) fn pads(ctx: &Context<'_>, dims: usize) -> Result<Pads, Diagnostic> {
    let explicit = ctx.ints("pads")?;
    let auto = ctx.string("auto_pad", "NOTSET")?;
    match auto.as_str() {
        "NOTSET" => {
            let Some(pads) = explicit else { return Ok(Pads::Explicit([0; 4])) };
            if pads.len() != 2 * dims || pads.iter().any(|p| *p > LIMIT) {
                return Err(ctx.invalid(format!("attribute `pads` = {pads:?} does not fit {dims} axes")));
            }
            if pads.iter().any(|p| *p < 0) {
                return Err(ctx.unsupported("pads", &format!("{pads:?}"), "a negative pad crops the map"));
            }
            let at = |i: usize| usize::try_from(pads[i]).unwrap_or(0);
            Ok(Pads::Explicit(if dims == 1 { [0, at(0), 0, at(1)] } else { [at(0), at(1), at(2), at(3)] }))
        }
        // VALID, and SAME, exclude explicit pads; exporters write zeros beside them.
        "VALID" | "SAME_UPPER" | "SAME_LOWER" => {
            if explicit.is_some_and(|p| p.iter().any(|p| *p != 0)) {
                return Err(
                    ctx.invalid(format!("attributes `auto_pad` = {auto} and `pads` exclude each other"))
                );
            }
            Ok(match auto.as_str() {
                "VALID" => Pads::Explicit([0; 4]),
                auto => Pads::Same { upper: auto == "SAME_UPPER" },
            })
        }
        other => {
            Err(ctx.unsupported("auto_pad", other, "NOTSET, VALID, SAME_UPPER and SAME_LOWER are known"))
        }
    }
}

/// The window of a pool, which can't crop: neither do ONNX Runtime's float pools, and its quantized one differs.
pub fn read_uncropped(ctx: &Context<'_>, input: &[usize]) -> Result<Window, Diagnostic> {
    match read(ctx, input, None)? {
        (window, None) => Ok(window),
        (_, Some(_)) => Err(cropped(ctx)),
    }
}

/// The refusal of a crop that the operator can't express.
pub fn cropped(ctx: &Context<'_>) -> Diagnostic {
    ctx.unsupported(
        "auto_pad",
        "SAME_UPPER or SAME_LOWER",
        "strides exceed the kernel, so that the pads would be negative",
    )
}

/// `kernel 3x3 strides 2x2 ..`: what differs from the point window.
pub fn describe(window: &Window) -> String {
    let mut text = format!("kernel {}x{}", window.kernel[0], window.kernel[1]);
    if window.strides != [1, 1] {
        text += &format!(" strides {}x{}", window.strides[0], window.strides[1]);
    }
    if window.dilations != [1, 1] {
        text += &format!(" dilations {}x{}", window.dilations[0], window.dilations[1]);
    }
    if window.pads != [0; 4] {
        let [t, l, b, r] = window.pads;
        text += &format!(" pads {t},{l},{b},{r}");
    }
    text
}
