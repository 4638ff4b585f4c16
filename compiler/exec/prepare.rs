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
        (Work::Threshold(t), [x]) => {
            let mut y = (*x).clone();
            for (channel, mut y) in y.axis_iter_mut(Axis(t.axis)).enumerate() {
                y.mapv_inplace(|x| t.value(channel, x));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::expression::Binary;
    use crate::graph::prepare::Step;

    /// Bits that ONNX Runtime 1.32 computed; a fused product, or x - mean first, gives others.
    #[test]
    fn batch_normalization_has_the_references_bits() {
        let constant = |v: [f32; 2]| Operand::Constant(ndarray::arr1(&v).into_dyn());
        let statistics = [[1.5, -2.1], [0.1, 0.7], [104.3, -0.123], [1.1, 2.7]].map(constant);
        let operands = std::iter::once(Operand::Input).chain(statistics).collect();
        let step = Step { work: Work::BatchNormalization(1e-3), operands, shape: vec![1, 2, 4] };
        let prepare = Prepare { input: vec![1, 2, 4], steps: vec![step] };
        assert_eq!(prepare.check(), Ok(()));
        let x = vec![12.34, -0.7, 255.0, 3.3333, 1e-3, 77.7, -128.5, 0.1];
        let bits: Vec<u32> = run(&prepare, x).expect("values").into_iter().map(f32::to_bits).collect();
        let expect = [
            0xc303_5c63,
            0xc316_008d,
            0x4357_8846,
            0xc310_3c82,
            0x3f0a_a358,
            0xc2c5_7b53,
            0x4324_bce6,
            0x3ed4_8205,
        ];
        assert_eq!(bits, expect);
    }

    #[test]
    fn elements_move_and_nan_goes_through() {
        let step = |work, operands, shape: &[usize]| Step { work, operands, shape: shape.to_vec() };
        let one = Operand::Constant(ndarray::arr0(1.0).into_dyn());
        let prepare = Prepare {
            input: vec![1, 2, 3],
            steps: vec![
                step(Work::Take(vec![vec![0], vec![1, 0], vec![2, 0]]), vec![Operand::Input], &[1, 2, 2]),
                step(Work::Transpose(vec![0, 2, 1]), vec![Operand::Step(0)], &[1, 2, 2]),
                step(Work::Function("Sqrt", vec![]), vec![Operand::Step(1)], &[1, 2, 2]),
                step(Work::Arithmetic(Binary::Max), vec![one, Operand::Step(2)], &[1, 2, 2]),
                step(
                    Work::Pad { before: vec![0, 1, -1], after: vec![0, 0, 1], fill: 9.0 },
                    vec![Operand::Step(3)],
                    &[1, 3, 2],
                ),
                step(Work::Concat(2), vec![Operand::Step(4), Operand::Step(4)], &[1, 3, 4]),
            ],
        };
        assert_eq!(prepare.check(), Ok(()));
        let y = run(&prepare, vec![4.0, 0.0, 25.0, -1.0, 0.0, 16.0]).expect("values");
        assert_eq!(y[..8], [9.0, 9.0, 9.0, 9.0, 5.0, 9.0, 5.0, 9.0]);
        assert_eq!(y[8..], [2.0, 9.0, 2.0, 9.0]);
        // -1 stood where the padding has cut it off; in front it is not a number.
        let all = Prepare { input: vec![1, 2, 3], steps: prepare.steps[..4].to_vec() };
        let y = run(&all, vec![4.0, 0.0, 25.0, -1.0, 0.0, 16.0]).expect("values");
        assert!(y[2].is_nan() && y[0] == 4.0, "{y:?}");
    }
}
