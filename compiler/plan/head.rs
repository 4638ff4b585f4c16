//! The units behind the output regions, `rtl/o2c_result.v`: their parameters, table and memory, and what they send.

use super::bits::Word;
use crate::arith::softmax::{Softmax, SoftmaxSpec};
use crate::design::{Field, Head, Memory, Storage, Tensor};
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{HeadUnit, QFact};

/// Cycles of `rtl/o2c_softmax.v` for each element of a group, and for each group beside them.
const SOFTMAX_CYCLES: [usize; 2] = [11, 7];

/// What the hardware is built with.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// `HEAD`, `HEAD_N` and `HEAD_FLAGS` of each output.
    pub(super) outputs: Vec<[(&'static str, usize); 3]>,
    /// The other `HEAD_*`, of the only Softmax.
    pub(super) softmax: Vec<(&'static str, usize)>,
    /// Softmax's table.
    pub(super) table: Option<Memory>,
    /// Softmax's two groups.
    pub(super) storage: Option<Storage>,
}

fn output(values: [usize; 3]) -> [(&'static str, usize); 3] {
    let names = ["HEAD", "HEAD_N", "HEAD_FLAGS"];
    std::array::from_fn(|k| (names[k], values[k]))
}

fn softmax(values: [usize; 4]) -> Vec<(&'static str, usize)> {
    ["HEAD_EXP_W", "HEAD_NUM_W", "HEAD_ZERO", "HEAD_MOST"].into_iter().zip(values).collect()
}

fn table_of(spec: &SoftmaxSpec) -> Result<Softmax> {
    let fault = |cause| Diagnostic::new(code::INTERNAL, "a Softmax has no table", cause);
    Ok(Softmax::new(spec).map_err(fault)?)
}

/// The hardware of the outputs' units.
///
/// # Errors
/// O2C0900 for a second Softmax, or one without a table.
pub(super) fn build(units: &[Option<HeadUnit>]) -> Result<Built> {
    let mut built = Built { softmax: softmax([2, 2, 0, 0]), ..Built::default() };
    for unit in units {
        let params = match unit {
            None => output([0, 1, 0]),
            Some(HeadUnit::ArgMax { length, last, least, value }) => {
                let flags = usize::from(*last) + 2 * usize::from(*least) + 4 * usize::from(*value);
                output([1, *length, flags])
            }
            Some(HeadUnit::Softmax(spec)) => {
                if built.table.is_some() {
                    let cause = "the hardware has one unit for it";
                    return Err(
                        Diagnostic::new(code::INTERNAL, "two outputs end with a Softmax", cause).into()
                    );
                }
                with_table(&mut built, spec)?;
                output([2, spec.length, 0])
            }
        };
        built.outputs.push(params);
    }
    Ok(built)
}

/// Adds a Softmax's table and memory.
fn with_table(built: &mut Built, spec: &SoftmaxSpec) -> Result<()> {
    let table = table_of(spec)?;
    let length = spec.length;
    let [term, quotient] = table.widths();
    let word = |(t, q): (&u64, &u64)| {
        let mut word = Word::new(term + quotient);
        // Below 2^44.
        for (value, bits) in [(t, term), (q, quotient)] {
            word.push(i64::try_from(*value).unwrap_or(i64::MAX), bits);
        }
        word.finish()
    };
    let field = |name: &str, lsb, width| Field {
        name: name.into(),
        lsb,
        width,
        signed: false,
        count: 1,
        stride: width,
        add: 0,
    };
    let memory = Memory {
        name: "softmax",
        param: "HEAD_INIT",
        width: term + quotient,
        words: table.terms.iter().zip(&table.quotients).map(word).collect(),
        what: "Softmax behind the last layer: for each distance from the greatest element its terms",
        packing: format!(
            "term {term} bits: 2^{f} exp(-d s); quotient {quotient} bits: the same over the output's scale; d = 0 to 255",
            f = table.fraction
        ),
        fields: vec![field("term", 0, term), field("quotient", term, quotient)],
    };
    // The low byte is the file's own.
    let zero = usize::from(table.zero_point.to_le_bytes()[0]);
    let most = usize::try_from(table.most).unwrap_or(255);
    built.softmax = softmax([term, quotient, zero, most]);
    built.table = Some(memory);
    built.storage = Some(Storage {
        name: "softmax_groups",
        width: 8,
        depth: 2 * length,
        least_depth: 2 * length,
        what: "Softmax behind the last layer: the group being computed and the next one",
    });
    Ok(())
}

/// Bits of the memories that the units bring.
pub(super) fn memory_bits(units: &[Option<HeadUnit>]) -> Result<usize> {
    let built = build(units)?;
    let table = built.table.map_or(0, |m| m.width * m.words.len());
    Ok(table + built.storage.map_or(0, |s| s.width * s.depth))
}

/// What a packet holds of a tensor behind a unit, from the tensor itself, and the cycles that it takes.
pub(super) fn sent(unit: Option<&HeadUnit>, fact: &QFact, plain: Tensor) -> Result<(Tensor, usize)> {
    let Some(unit) = unit else { return Ok((plain, fact.len())) };
    let [c, h, w] = fact.shape;
    let length = unit.length().max(1);
    let groups = fact.len() / length;
    // Pixels stay where they are if their channels are a group.
    let [rows, columns] = if length == c { [h, w] } else { [1, groups] };
    let bytes = unit.bytes();
    let name = unit.name().into();
    Ok(match unit {
        HeadUnit::ArgMax { last, least, value, .. } => {
            let what = format!(
                "of each {length} bytes {}the place of the {}, the {} of equal ones{}",
                if *value { "the byte and then " } else { "" },
                if *least { "least" } else { "greatest" },
                if *last { "last" } else { "first" },
                if length > 256 { ", two bytes, the low one first" } else { "" },
            );
            let tensor = Tensor {
                shape: [bytes, rows, columns],
                bytes: groups * bytes,
                dtype: if *value { plain.dtype } else { "uint8" },
                scale: if *value { plain.scale } else { 1.0 },
                zero_point: if *value { plain.zero_point } else { 0 },
                head: Some(Head { unit: name, length, what, bound: None }),
                ..plain
            };
            (tensor, fact.len() + bytes)
        }
        HeadUnit::Softmax(spec) => {
            let table = table_of(spec)?;
            let what = format!(
                "Softmax of each {length} bytes, in steps of {:?}: the real one rounded, by a table of {} fraction bits",
                spec.output.0, table.fraction,
            );
            let tensor = Tensor {
                dtype: if spec.signed { "int8" } else { "uint8" },
                scale: spec.output.0,
                zero_point: spec.output.1,
                head: Some(Head { unit: name, length, what, bound: Some(table.bound()) }),
                ..plain
            };
            let [each, group] = SOFTMAX_CYCLES;
            (tensor, length + groups * (each * length + group))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::softmax::SoftmaxForm;

    /// What the Verilog is told: its flags, its bytes; a table whose words hold both columns.
    #[test]
    fn hardware() {
        let unit = HeadUnit::ArgMax { length: 300, last: true, least: false, value: true };
        let built = build(&[None, Some(unit)]).unwrap();
        assert_eq!(built.outputs[1].map(|p| p.1), [1, 300, 5]);
        assert_eq!(built.outputs[0].map(|p| p.1), [0, 1, 0]);
        assert_eq!(unit.bytes(), 3);
        let form = SoftmaxForm::Float;
        let spec =
            SoftmaxSpec { form, length: 10, input_scale: 0.5, output: (1.0 / 256.0, -128), signed: true };
        let unit = Some(HeadUnit::Softmax(spec));
        let built = build(&[unit]).unwrap();
        assert_eq!(built.outputs[0].map(|p| p.1), [2, 10, 0]);
        assert_eq!(built.softmax.iter().map(|p| p.1).collect::<Vec<_>>(), [24, 32, 128, 255]);
        assert!(build(&[unit, unit]).is_err());
        let table = built.table.unwrap();
        // 2^23, and 256 times as much.
        assert_eq!(table.words[0], [0, 0, 0x80, 0, 0, 0, 0x80]);
        assert_eq!(memory_bits(&[unit]).unwrap(), 56 * 256 + 160);
        assert_eq!(memory_bits(&[None]).unwrap(), 0);
    }
}
