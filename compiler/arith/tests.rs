//! The formulas against bytes that ONNX Runtime computed (`compiler/tests/reference/generate.py`).
//!
//! The committed cases are few; `ONNX2CHIP_REFERENCE_CASES` names a larger file.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::graph::expression::{Binary, Expression, Operand, Quantization, Step};
use crate::graph::int::{QFact, TableSource};
use crate::ops::unary::FUNCTIONS;

/// One record of the case file.
struct Record {
    header: Value,
    arrays: BTreeMap<String, Vec<f64>>,
}

impl Record {
    fn ints(&self, name: &str) -> Vec<i32> {
        self.arrays[name].iter().map(|&v| v as i32).collect()
    }
    fn floats(&self, name: &str) -> Vec<f32> {
        self.arrays[name].iter().map(|&v| v as f32).collect()
    }
    fn int(&self, name: &str) -> i32 {
        i32::try_from(self.header[name].as_i64().unwrap()).unwrap()
    }
    fn text(&self, name: &str) -> &str {
        self.header[name].as_str().unwrap()
    }
    fn signed(&self) -> bool {
        self.header["signed"].as_bool().unwrap()
    }
    fn offset(&self) -> i32 {
        if self.signed() { 0 } else { 128 }
    }
    fn scale(&self, i: usize) -> f32 {
        self.header["scales"][i].as_f64().unwrap() as f32
    }
    fn zero_point(&self, i: usize) -> i32 {
        i32::try_from(self.header["zero_points"][i].as_i64().unwrap()).unwrap()
    }
    /// The name, as the compiler has it.
    fn function(&self) -> &'static str {
        let name = self.text("name");
        let all = FUNCTIONS.iter().flat_map(|f| [Some(f.name), f.qlinear]).flatten();
        all.chain(["Relu"]).find(|n| *n == name).unwrap_or("Requantize")
    }
    fn attributes(&self) -> Vec<(&'static str, f32)> {
        ["alpha", "beta", "gamma"]
            .into_iter()
            .filter_map(|a| self.header["attributes"][a].as_f64().map(|v| (a, v as f32)))
            .collect()
    }
    fn fact(&self, i: usize) -> QFact {
        QFact {
            shape: [1, 1, 256],
            bits: 8,
            scale: self.scale(i),
            zero_point: self.zero_point(i) - self.offset(),
            source_offset: self.offset(),
        }
    }
}

fn records() -> Vec<Record> {
    let path = std::env::var("ONNX2CHIP_REFERENCE_CASES").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/compiler/tests/reference/cases.bin").to_owned()
    });
    let bytes = std::fs::read(&path).unwrap();
    let mut at = 0;
    let mut all = Vec::new();
    while at < bytes.len() {
        let end = at + bytes[at..].iter().position(|&b| b == b'\n').unwrap();
        let header: Value = serde_json::from_slice(&bytes[at..end]).unwrap();
        at = end + 1;
        let mut arrays = BTreeMap::new();
        for entry in header["arrays"].as_array().unwrap() {
            let width = match entry[1].as_str().unwrap() {
                "int8" | "uint8" => 1,
                "int16" => 2,
                _ => 4,
            };
            let size = usize::try_from(entry[2].as_u64().unwrap()).unwrap() * width;
            let values = bytes[at..at + size].chunks(width).map(|b| match entry[1].as_str().unwrap() {
                "int8" => f64::from(i8::from_le_bytes([b[0]])),
                "uint8" => f64::from(b[0]),
                "int16" => f64::from(i16::from_le_bytes(b.try_into().unwrap())),
                "int32" => f64::from(i32::from_le_bytes(b.try_into().unwrap())),
                "float32" => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
                other => panic!("{other}"),
            });
            arrays.insert(entry[0].as_str().unwrap().to_owned(), values.collect());
            at += size;
        }
        all.push(Record { header, arrays });
    }
    all
}

/// Float results of a function: each is held to lie in the interval that the formula gives. The kind says whether
/// that is one value for all of them.
fn function(r: &Record) -> (String, usize, usize) {
    let (name, attributes) = (r.function(), r.attributes());
    let (x, y) = (r.floats("x"), r.floats("y"));
    let image = |x: f32| unary::float(name, &attributes, x).expect("a function");
    let wrong = x.iter().zip(&y).filter(|&(&x, &y)| {
        let image = image(x);
        let inside = image.lo <= y && y <= image.hi;
        // The interval has to be narrow too, or it says nothing.
        let narrow = image.hi - image.lo <= 3e-6 * image.hi.abs().max(image.lo.abs()) + 4e-7;
        if image.is_exact() {
            image.lo.to_bits() != y.to_bits() && image.lo != y
        } else {
            !(inside && narrow)
        }
    });
    let wrong = wrong.count();
    let exact = x.iter().all(|&x| image(x).is_exact());
    (format!("function {name}, {}", if exact { "exact" } else { "interval" }), x.len(), wrong)
}

/// QLinearAdd and QLinearMul of x and one integer.
fn arithmetic(r: &Record) -> (String, usize, usize) {
    let kind = if r.text("name") == "Mul" { Binary::Mul } else { Binary::Add };
    let q = |i| {
        let f = r.fact(i);
        Quantization::byte(f.scale, f.zero_point, f.source_offset)
    };
    let constant = Operand::Integer(r.int("constant") - r.offset());
    let step = Step::QLinearArithmetic(kind, [(Operand::X, q(0)), (constant, q(1))], q(2));
    let source = TableSource::Expression(Expression { steps: vec![step], constants: Vec::new() });
    let table = unary_table(&source, &r.fact(0), &r.fact(2)).expect("a table");
    let wrong = table.iter().zip(r.ints("y")).filter(|(t, y)| i32::from(**t) != y - r.offset()).count();
    (format!("arithmetic {}", r.text("name")), 256, wrong)
}

/// Cases and mismatches of one record.
fn compare(r: &Record) -> (String, usize, usize) {
    let kind = r.text("kind").to_owned();
    let offset = || r.offset();
    match kind.as_str() {
        "rescale" => {
            let spec = RescaleSpec {
                scale: r.floats("scale"),
                zero_point: r.int("zero_point") - offset(),
                lo: -128,
                hi: 127,
            };
            let cases = r.ints("acc").into_iter().zip(r.ints("y")).enumerate();
            let wrong = cases.filter(|&(c, (acc, y))| i32::from(spec.apply(c, acc)) != y - offset()).count();
            (kind, spec.scale.len(), wrong)
        }
        "add" => {
            let form = if r.text("form") == "qlinear" { AddForm::QLinear } else { AddForm::Float };
            let side = |i| (r.scale(i), r.zero_point(i), offset());
            let spec = AddSpec { form, a: side(0), b: side(1), y: side(2), lo: -128, hi: 127 };
            let table = spec.table();
            let wrong = table.iter().zip(r.ints("y")).filter(|(t, y)| i32::from(**t) != y - offset()).count();
            (format!("add {}", r.text("form")), table.len(), wrong)
        }
        "average" => average(r),
        "unary" => unary_bytes(r),
        "function" => function(r),
        "arithmetic" => arithmetic(r),
        "quantize" => {
            let (s, z) = (r.header["scale"].as_f64().unwrap() as f32, r.int("zero_point"));
            let (x, y, d) = (r.floats("x"), r.ints("y"), r.floats("d"));
            let wrong = (0..x.len()).filter(|&i| {
                host::quantize_linear(x[i], s, z, r.signed()) != y[i]
                    || host::dequantize_linear(y[i], s, z) != d[i]
            });
            (kind, x.len(), wrong.count())
        }
        "softmax" => {
            let (x, y) = (r.floats("x"), r.floats("y"));
            let length = usize::try_from(r.int("length")).unwrap();
            let mut ours = x.clone();
            let lanes = if r.int("lanes") == 16 { Lanes::Avx512 } else { Lanes::Fma3 };
            host::softmax(&mut ours, (x.len() / length, length, 1), lanes);
            let wrong = ours.iter().zip(&y).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            (kind, y.len(), wrong)
        }
        "qlinear_softmax" => {
            let length = usize::try_from(r.int("length")).unwrap();
            let (mut x, y) = (r.ints("x"), r.ints("y"));
            let extents = (x.len() / length, length, 1);
            let output = (r.scale(1), r.zero_point(1));
            host::qlinear_softmax(&mut x, extents, r.scale(0), output, r.signed());
            let wrong = x.iter().zip(&y).filter(|(a, b)| a != b).count();
            (kind, y.len(), wrong)
        }
        other => panic!("{other}"),
    }
}

fn average(r: &Record) -> (String, usize, usize) {
    let form = match r.text("form") {
        "global" => AverageForm::QLinearGlobal,
        "qlinear" => AverageForm::QLinear,
        _ => AverageForm::Float,
    };
    let (x, y) = (r.fact(0), r.fact(1));
    let spec =
        AverageSpec { form, x: (x.scale, x.zero_point), y: (y.scale, y.zero_point), lo: -128, hi: 127 };
    let taps = usize::try_from(r.int("taps")).unwrap();
    let divisor = r.int("taps");
    let certain = spec.spread(taps, (-128, 127), divisor).ambiguous == 0;
    let (data, want) = (r.ints("x"), r.ints("y"));
    let mut wrong = 0;
    for (window, y) in data.chunks(taps).zip(&want) {
        let canonical = window.iter().map(|q| i8::try_from(q - r.offset()).unwrap());
        let sum = window.iter().map(|q| q - r.offset() - x.zero_point).sum();
        let want = y - r.offset();
        // The tap order of MLAS's float pooling is its own; only the decided specifications are held to it.
        let by_taps =
            form == AverageForm::Float || i32::from(spec.apply_taps(canonical, divisor, r.offset())) == want;
        let by_sum = !certain || i32::from(spec.apply(sum, divisor)) == want;
        wrong += usize::from(!(by_taps && by_sum));
    }
    (
        format!("average {} {}", r.text("form"), if certain { "function of the sum" } else { "open" }),
        want.len(),
        wrong,
    )
}

fn unary_bytes(r: &Record) -> (String, usize, usize) {
    let attributes = r.attributes();
    let source = match (r.text("form"), r.function()) {
        ("QLinear", name) => TableSource::QLinear(name, attributes),
        ("Float", name) => TableSource::Float(name, attributes),
        _ => TableSource::Requantize,
    };
    let kind = format!("unary {}", r.text("name"));
    match unary_table(&source, &r.fact(0), &r.fact(1)) {
        None => (format!("{kind} refused"), 256, 0),
        Some(table) => {
            let wrong = table.iter().zip(r.ints("y")).filter(|(t, y)| i32::from(**t) != y - r.offset());
            let wrong = wrong.count();
            (kind, 256, wrong)
        }
    }
}

#[test]
fn reference_cases() {
    let mut totals: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for record in records() {
        let (kind, cases, wrong) = compare(&record);
        let total = totals.entry(kind).or_default();
        *total = (total.0 + cases, total.1 + wrong);
    }
    let table: Vec<String> =
        totals.iter().map(|(kind, (cases, wrong))| format!("{kind}: {wrong} of {cases} differ")).collect();
    eprintln!("{}", table.join("\n"));
    assert!(totals.values().all(|(_, wrong)| *wrong == 0), "{}", table.join("\n"));
}
