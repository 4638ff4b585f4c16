//! The unit behind the output region, `rtl/o2c_result.v`: its parameters, table and memory, and what it sends.

use super::bits::Word;
use crate::arith::softmax::Softmax;
use crate::design::{Field, Head, Memory, Storage, Stream};
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::{HeadUnit, QFact};

/// Cycles of `rtl/o2c_softmax.v` for each element of a group, and for each group beside them.
const SOFTMAX_CYCLES: [usize; 2] = [11, 7];

/// What the hardware is built with.
#[derive(Debug)]
pub(super) struct Built {
    /// `HEAD` and `HEAD_*`.
    pub(super) params: [(&'static str, usize); 7],
    /// Softmax's table.
    pub(super) table: Option<Memory>,
    /// Softmax's two groups.
    pub(super) storage: Option<Storage>,
}

fn params(values: [usize; 7]) -> [(&'static str, usize); 7] {
    let names = ["HEAD", "HEAD_N", "HEAD_FLAGS", "HEAD_EXP_W", "HEAD_NUM_W", "HEAD_ZERO", "HEAD_MOST"];
    std::array::from_fn(|k| (names[k], values[k]))
}

fn table_of(unit: &HeadUnit) -> Result<Option<Softmax>> {
    let HeadUnit::Softmax(spec) = unit else { return Ok(None) };
    let fault = |cause| Diagnostic::new(code::INTERNAL, "a Softmax has no table", cause);
    Ok(Some(Softmax::new(spec).map_err(fault)?))
}

/// The hardware of a unit; that of no unit.
pub(super) fn build(unit: Option<&HeadUnit>) -> Result<Built> {
    let plain = Built { params: params([0, 1, 0, 2, 2, 0, 0]), table: None, storage: None };
    let Some(unit) = unit else { return Ok(plain) };
    let length = unit.length();
    let table = match (unit, table_of(unit)?) {
        (HeadUnit::ArgMax { last, least, value, .. }, _) => {
            let flags = usize::from(*last) + 2 * usize::from(*least) + 4 * usize::from(*value);
            return Ok(Built { params: params([1, length, flags, 2, 2, 0, 0]), ..plain });
        }
        (HeadUnit::Softmax(_), Some(table)) => table,
        (HeadUnit::Softmax(_), None) => return Ok(plain),
    };
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
    Ok(Built {
        params: params([2, length, 0, term, quotient, zero, most]),
        table: Some(memory),
        storage: Some(Storage {
            name: "softmax_groups",
            width: 8,
            depth: 2 * length,
            least_depth: 2 * length,
            what: "Softmax behind the last layer: the group being computed and the next one",
        }),
    })
}

/// Bits of the memories that a unit brings.
pub(super) fn memory_bits(unit: Option<&HeadUnit>) -> Result<usize> {
    let built = build(unit)?;
    let table = built.table.map_or(0, |m| m.width * m.words.len());
    Ok(table + built.storage.map_or(0, |s| s.width * s.depth))
}

/// The output stream behind a unit, from the tensor's own.
pub(super) fn stream(unit: &HeadUnit, fact: &QFact, plain: Stream) -> Result<Stream> {
    let [c, h, w] = fact.shape;
    let length = unit.length().max(1);
    let groups = fact.len() / length;
    // Pixels stay where they are if their channels are a group.
    let [rows, columns] = if length == c { [h, w] } else { [1, groups] };
    let sent = unit.bytes();
    Ok(match (unit, table_of(unit)?) {
        (HeadUnit::ArgMax { last, least, value, .. }, _) => {
            let what = format!(
                "of each {length} bytes {}the place of the {}, the {} of equal ones{}",
                if *value { "the byte and then " } else { "" },
                if *least { "least" } else { "greatest" },
                if *last { "last" } else { "first" },
                if length > 256 { ", two bytes, the low one first" } else { "" },
            );
            Stream {
                shape: [sent, rows, columns],
                bytes: groups * sent,
                dtype: if *value { plain.dtype } else { "uint8" },
                scale: if *value { plain.scale } else { 1.0 },
                zero_point: if *value { plain.zero_point } else { 0 },
                cycles: (fact.len() + sent) as u64,
                head: Some(Head { unit: unit.name().into(), length, what, bound: None }),
                ..plain
            }
        }
        (HeadUnit::Softmax(spec), table) => {
            let what = format!(
                "Softmax of each {length} bytes, in steps of {:?}: the real one rounded, by a table of {} fraction bits",
                spec.output.0,
                table.as_ref().map_or(0, |t| t.fraction),
            );
            let [each, group] = SOFTMAX_CYCLES;
            Stream {
                dtype: if spec.signed { "int8" } else { "uint8" },
                scale: spec.output.0,
                zero_point: spec.output.1,
                cycles: (length + groups * (each * length + group)) as u64,
                head: Some(Head { unit: unit.name().into(), length, what, bound: table.map(|t| t.bound()) }),
                ..plain
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::softmax::{SoftmaxForm, SoftmaxSpec};

    /// What the Verilog is told: its flags, its bytes; a table whose words hold both columns.
    #[test]
    fn hardware() {
        let unit = HeadUnit::ArgMax { length: 300, last: true, least: false, value: true };
        let built = build(Some(&unit)).unwrap();
        assert_eq!(built.params.map(|p| p.1), [1, 300, 5, 2, 2, 0, 0]);
        assert_eq!(unit.bytes(), 3);
        let form = SoftmaxForm::Float;
        let spec =
            SoftmaxSpec { form, length: 10, input_scale: 0.5, output: (1.0 / 256.0, -128), signed: true };
        let built = build(Some(&HeadUnit::Softmax(spec))).unwrap();
        assert_eq!(built.params.map(|p| p.1), [2, 10, 0, 24, 32, 128, 255]);
        let table = built.table.unwrap();
        // 2^23, and 256 times as much.
        assert_eq!(table.words[0], [0, 0, 0x80, 0, 0, 0, 0x80]);
        assert_eq!(memory_bits(Some(&HeadUnit::Softmax(spec))).unwrap(), 56 * 256 + 160);
        assert_eq!(memory_bits(None).unwrap(), 0);
    }
}
