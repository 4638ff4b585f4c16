//! Runs a [`Prepare`]: the host's float operators before the first integers.
//!
//! In: one sample of the model's input as float32 (bytes are exact in it). Out: what is quantized, row-major. Guarantees:
//! ONNX Runtime's float32 operations in their order (from `arith`); `None` only for steps that [`Prepare::check`] refuses.

use ndarray::{ArrayD, Axis, IxDyn, Zip};

use crate::arith::host;
use crate::graph::prepare::{Operand, Prepare, Work};

/// The last step's value.
pub(crate) fn run(prepare: &Prepare, x: Vec<f32>) -> Option<Vec<f32>> {
    let x = ArrayD::from_shape_vec(IxDyn(&prepare.input), x).ok()?;
    let mut values: Vec<ArrayD<f32>> = Vec::with_capacity(prepare.steps.len());
    for step in &prepare.steps {
        let operands: Option<Vec<&ArrayD<f32>>> = step
            .operands
            .iter()
            .map(|operand| match operand {
                Operand::Input => Some(&x),
                Operand::Step(n) => values.get(*n),
                Operand::Constant(a) => Some(a),
            })
            .collect();
        values.push(compute(&step.work, &operands?, &step.shape)?);
    }
    let last = values.pop()?;
    Some(if last.is_standard_layout() {
        last.into_raw_vec_and_offset().0
    } else {
        last.iter().copied().collect()
    })
}

fn compute(work: &Work, operands: &[&ArrayD<f32>], shape: &[usize]) -> Option<ArrayD<f32>> {
    Some(match (work, operands) {
        (Work::Cast, [x]) => (*x).clone(),
        (Work::Function(name, attributes), [x]) => x.mapv(|v| host::function_of_any(name, attributes, v)),
        (Work::Arithmetic(kind), [a, b]) => {
            let mut y = ArrayD::zeros(IxDyn(shape));
            let (a, b) = (a.broadcast(IxDyn(shape))?, b.broadcast(IxDyn(shape))?);
            Zip::from(&mut y).and(&a).and(&b).for_each(|y, a, b| *y = host::arithmetic(*kind, *a, *b));
            y
        }
        (Work::BatchNormalization(epsilon), [x, scale, bias, mean, variance]) => {
            let mut y = (*x).clone();
            let statistics = scale.iter().zip(bias.iter()).zip(mean.iter().zip(variance.iter()));
            for (mut y, ((s, b), (m, v))) in y.axis_iter_mut(Axis(1)).zip(statistics) {
                let factors = host::batch_normalization([*s, *b, *m, *v], *epsilon);
                y.mapv_inplace(|x| host::affine(x, factors));
            }
            y
        }
        (Work::Reshape, [x]) => x.to_shape(IxDyn(shape)).ok()?.into_owned(),
        (Work::Transpose(perm), [x]) => {
            x.view().permuted_axes(perm.clone()).as_standard_layout().into_owned()
        }
        (Work::Take(keep), [x]) => {
            let mut y = (*x).clone();
            for (axis, keep) in keep.iter().enumerate() {
                // Indices were checked; a whole axis is left alone.
                if !keep.iter().copied().eq(0..y.len_of(Axis(axis))) {
                    y = y.select(Axis(axis), keep);
                }
            }
            y.as_standard_layout().into_owned()
        }
        (Work::Pad { before, fill, .. }, [x]) => ArrayD::from_shape_fn(IxDyn(shape), |at| {
            let place = |i: usize| usize::try_from(i64::try_from(at[i]).ok()? - before[i]).ok();
            let place: Option<Vec<usize>> = (0..x.ndim()).map(place).collect();
            place.and_then(|p| x.get(IxDyn(&p))).copied().unwrap_or(*fill)
        }),
        (Work::Concat(axis), all) => {
            let views: Vec<_> = all.iter().map(|a| a.view()).collect();
            ndarray::concatenate(Axis(*axis), &views).ok()?.as_standard_layout().into_owned()
        }
        _ => return None,
    })
}
