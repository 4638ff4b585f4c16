//! Passes on data: text in, text out; every refusal as rendered; real models.
//!
//! A case is a file: comments, `run PASS, PASS` (or `run all`, `run lower`), the model as text, `---`, what is expected.
//! `run lower ort` also compares every output with ONNX Runtime's integer form of the same model, where it is installed;
//! `run heads` and `run heads ort` are the same with the units behind the last layer.
//! With `UPDATE_EXPECT=1` the expected part is rewritten.

use std::path::{Path, PathBuf};

use super::{PASSES, PIPELINE, Pass, compile_front, compile_front_traced, heads};
use crate::diag::{CODES, Result};
use crate::exec::Data;
use crate::graph::{parse, text, verify};
use crate::onnx::model::{Attribute, DType, Dim, Model, TensorData};
use crate::ops;
use crate::reference::compare::{Difference, compare};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let dir = root().join("compiler/tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|e| e.expect("a folder entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", dir.display());
    files
}

/// What the passes named in the first statement make of the model, as text.
fn run(input: &str) -> Result<String> {
    let (command, model): (Vec<&str>, Vec<&str>) = input.lines().partition(|l| l.starts_with("run "));
    let model = parse::parse(&model.join("\n"))?;
    let names = command.first().map_or("lower", |c| c[4..].trim());
    if names.starts_with("lower") {
        return compile_front(&model).map(|g| text::int(&g));
    }
    if names.starts_with("heads") {
        let mut graph = compile_front(&model)?;
        heads::run(&mut graph);
        verify::int(&graph, "heads")?;
        return Ok(text::int(&graph));
    }
    let mut graph = ops::import::import(&model)?;
    verify::float(&graph, "import")?;
    let find = |n: &str| PASSES.iter().find(|p| p.name == n).unwrap_or_else(|| panic!("no pass {n}"));
    let list: Vec<&Pass> = match names {
        "all" => PIPELINE.iter().collect(),
        "import" => Vec::new(),
        names => names.split(',').map(|n| find(n.trim())).collect(),
    };
    for pass in list {
        (pass.run)(&mut graph)?;
        verify::float(&graph, pass.name)?;
    }
    Ok(text::float(&graph))
}

fn check(path: &Path) {
    let file = std::fs::read_to_string(path).expect("a case");
    let (input, expect) = file.split_once("---\n").unwrap_or((&file, ""));
    let got = match run(input) {
        Ok(text) => text,
        Err(faults) => format!("{faults}\n"),
    };
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(
            path,
            format!(
                "{}---\n{got}",
                if input.ends_with('\n') { input.to_owned() } else { format!("{input}\n") }
            ),
        )
        .expect("a writable case");
        return;
    }
    assert!(got == expect, "{}\nexpected:\n{expect}\ngot:\n{got}", path.display());
}

#[test]
fn passes() {
    cases("passes").iter().for_each(|p| check(p));
}

/// Random samples for every input of a model: floats on a grid of halves of a step and between, all integers.
fn samples(model: &Model, rng: &mut Rng) -> Vec<Data> {
    const COUNT: usize = 64;
    let sample = |input: &crate::onnx::model::ValueInfo, rng: &mut Rng| {
        let mut shape = vec![COUNT];
        shape.extend(input.shape.iter().flatten().skip(1).map(|d| match d {
            Dim::Fixed(n) => *n,
            Dim::Symbol(_) => 1,
        }));
        let n: usize = shape.iter().product();
        let integers: Vec<u8> = (0..n).map(|_| u8::try_from(rng.below(256)).unwrap_or(0)).collect();
        let dim = ndarray::IxDyn(&shape);
        match input.dtype {
            DType::U8 => Data::U8(ndarray::ArrayD::from_shape_vec(dim, integers).expect("a shape")),
            DType::I8 => {
                let v = integers.into_iter().map(u8::cast_signed).collect();
                Data::I8(ndarray::ArrayD::from_shape_vec(dim, v).expect("a shape"))
            }
            _ => {
                let v = (0..n).map(|_| (rng.below(4001) as f32 - 2000.0) / 250.0).collect();
                Data::F32(ndarray::ArrayD::from_shape_vec(dim, v).expect("a shape"))
            }
        }
    };
    model.inputs.iter().map(|i| sample(i, rng)).collect()
}

/// Outputs of the lowered graph equal ONNX Runtime's, byte for byte: the file's own graph in its integer form,
/// and every tensor of the canonical export.
#[test]
fn lowered_cases_agree_with_onnxruntime() {
    let mut judged = 0;
    for path in cases("passes") {
        let file = std::fs::read_to_string(&path).expect("a case");
        let text = file.split("---").next().unwrap_or_default();
        let with_heads = text.lines().any(|l| l == "run heads ort");
        if !with_heads && !text.lines().any(|l| l == "run lower ort") {
            continue;
        }
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("run ")).collect();
        let model = parse::parse(&lines.join("\n")).expect("a case parses");
        let mut graph = compile_front(&model).expect("a case compiles");
        if with_heads {
            heads::run(&mut graph);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let onnx = folder.path().join("case.onnx");
        std::fs::write(&onnx, crate::onnx::encode(&model).expect("a model")).expect("a file");
        let inputs = samples(&model, &mut Rng(0x2545_f491_4f6c_dd1d));
        let compared = match compare(&onnx, &graph, &inputs) {
            Ok(compared) => compared,
            Err(faults) if faults.0.iter().any(|f| f.code == crate::diag::code::NO_REFERENCE) => {
                eprintln!("skipped: ONNX Runtime is not installed");
                return;
            }
            Err(faults) => panic!("{}: {faults}", path.display()),
        };
        assert!(compared.agrees(), "{}: {:?}", path.display(), compared.settings);
        for setting in compared.settings.iter().filter(|s| s.judged) {
            assert!(setting.error.is_none(), "{} {:?}: {:?}", path.display(), setting.setting, setting.error);
            // A Softmax in integers may be one step off, and seldom is.
            let far = |d: &&Difference| {
                d.beyond > 0 || (d.allowed == 0.0 && d.differing > 0) || d.differing > 1 + d.elements / 1000
            };
            let differing: Vec<_> = setting.all().filter(far).collect();
            assert!(differing.is_empty(), "{} {:?}: {differing:?}", path.display(), setting.setting);
            judged += setting.outputs.iter().map(|d| d.elements).sum::<usize>();
        }
    }
    assert!(judged > 10_000, "{judged} elements compared");
}

/// Where ONNX Runtime has no integer form of a file, a graph of another meaning is not near it.
#[test]
fn a_wrong_graph_is_not_near() {
    let text = |zero: &str| {
        format!(
            "opset 19\ninput x: u8[1,1,6,6]\n\
            xf = DequantizeLinear(x, f32 0.25, u8 {zero})\n\
            p = AveragePool(xf) kernel_shape=[2,2] dilations=[3,2]\n\
            y = QuantizeLinear(p, f32 0.125, u8 120)\noutput y: u8"
        )
    };
    let [right, wrong] = ["128", "100"].map(|zero| parse::parse(&text(zero)).expect("text"));
    let folder = tempfile::tempdir().expect("a folder");
    let onnx = folder.path().join("right.onnx");
    std::fs::write(&onnx, crate::onnx::encode(&right).expect("a model")).expect("a file");
    for (model, agrees) in [(&right, true), (&wrong, false)] {
        let inputs = samples(model, &mut Rng(1));
        let compared = match compare(&onnx, &compile_front(model).expect("it compiles"), &inputs) {
            Ok(compared) => compared,
            Err(faults) if faults.0.iter().any(|f| f.code == crate::diag::code::NO_REFERENCE) => return,
            Err(faults) => panic!("{faults}"),
        };
        assert_eq!(compared.agrees(), agrees, "{:?}", compared.settings);
        // The tool's own export agrees with itself in both cases.
        assert!(compared.settings.iter().filter(|s| s.judged).all(|s| s.all().all(|d| d.differing == 0)));
    }
}

#[test]
fn errors() {
    let files = cases("errors");
    files.iter().for_each(|p| check(p));
    // Every code that the front end gives has a case: 01xx except those of files, 02xx, 03xx except those of `quant`.
    let all: String = files.iter().map(|p| std::fs::read_to_string(p).expect("a case")).collect();
    let elsewhere = [305];
    for info in CODES.iter().filter(|c| (100..400).contains(&c.code.0) && !elsewhere.contains(&c.code.0)) {
        assert!(all.contains(&format!("error[{}]", info.code)), "no case for {}: {}", info.code, info.title);
    }
}

#[test]
fn pass_names_are_unique() {
    let mut names: Vec<_> = PASSES.iter().map(|p| p.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), PASSES.len());
    assert!(PIPELINE.iter().all(|p| names.contains(&p.name)));
}

fn zoo() -> Option<PathBuf> {
    let path = root().join("../shared/zoo/models");
    if !path.is_dir() {
        eprintln!("skipped: there is no folder of models beside the project");
        return None;
    }
    Some(path)
}

/// Every file of the zoo either compiles, twice to the same text, or is refused with its nodes named.
#[test]
fn zoo_compiles_or_is_refused() {
    let Some(zoo) = zoo() else { return };
    let compiles = [
        "mlperftiny_resnet8_int8_qdq",
        "ort_resnet8_qdq_s8s8_perchannel",
        "ort_resnet8_qoperator_u8s8",
        "ort_resnet8_qoperator_u8u8_pertensor",
        "mnist_lenet_int8_qdq",
        "mnist_lenet_int8_qoperator",
        "mlperftiny_ad_autoencoder_int8_qdq",
        "mlperftiny_dscnn_kws_int8_qdq",
        "mlperftiny_vww_mobilenetv1_025_int8_qdq",
        "tflm_micro_speech_int8_qdq",
        "tflm_person_detect_int8_qdq",
        "thirdparty_micro_kws_m_qdq",
        "imagenet_mobilenetv1_025_128_u8_qdq",
        "squeezenet11_custom_int8_qdq",
    ];
    let mut files: Vec<_> =
        std::fs::read_dir(zoo).expect("the zoo").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    for file in files {
        let name = file.file_stem().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let Ok(model) = crate::onnx::read(&file) else { continue };
        let (steps, result) = compile_front_traced(&model);
        match result {
            Ok(_) if name.starts_with("mnist") => {
                let (again, _) = compile_front_traced(&model);
                assert!(steps.iter().zip(&again).all(|(a, b)| a.text == b.text), "{name} prints differently");
            }
            Ok(_) => {}
            Err(faults) => {
                assert!(!compiles.contains(&name.as_str()), "{name}:\n{faults}");
                assert!(faults.0.iter().all(|f| f.node.is_some() && f.code.0 < 900), "{name}:\n{faults}");
            }
        }
    }
}

#[test]
fn inspection_counts_macs_and_lists_refusals() {
    let text = "input x: u8[1,1,4,4]\n\
        c = QLinearConv(x, f32 0.5, u8 10, i8[3,1,3,3] 2, f32 0.25, i8 0, f32 0.5, u8 20) name=\"conv\"\n\
        y = DequantizeLinear(c, f32 0.5, u8 20)\noutput y: f32";
    let got = super::inspect(&parse::parse(text).expect("text"));
    assert_eq!((got.macs, got.parameters, got.refusals.len()), (9 * 3 * 4, 30, 0));
    assert_eq!(got.layers[0].quantization.zero_point, 20);
    assert_eq!(got.outputs[0].host, ["Dequantize"]);
    let refused =
        super::inspect(&parse::parse("input x: f32[1,4]\ny = LSTM(x)\noutput y: f32").expect("text"));
    assert_eq!((refused.layers.len(), refused.refusals.len()), (0, 1));
    assert!(serde_json::to_string(&refused).is_ok());
}

/// A small deterministic generator (xorshift), so that a failure can be repeated.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % n.max(1)
    }
}

/// Changes one thing in a model.
fn mutate(model: &mut Model, rng: &mut Rng) {
    const NUMBERS: [i64; 12] = [-1, 0, 1, 2, 3, 5, -2, 7, 64, 1 << 20, i64::MAX, i64::MIN];
    let number = |rng: &mut Rng| NUMBERS[rng.below(NUMBERS.len())];
    let n = model.nodes.len();
    let at = rng.below(n);
    match rng.below(9) {
        0 => {
            let names: Vec<String> = model
                .nodes
                .iter()
                .flat_map(|n| n.inputs.iter().chain(&n.outputs))
                .chain(model.initializers.keys())
                .cloned()
                .collect();
            let name = names[rng.below(names.len())].clone();
            let inputs = &mut model.nodes[at].inputs;
            let i = rng.below(inputs.len());
            if let Some(slot) = inputs.get_mut(i) {
                *slot = name;
            }
        }
        1 => {
            let count = model.nodes[at].attributes.len();
            let i = rng.below(count);
            if let Some(value) = model.nodes[at].attributes.values_mut().nth(i) {
                match value {
                    Attribute::Int(v) => *v = number(rng),
                    Attribute::Ints(v) if !v.is_empty() => {
                        let i = rng.below(v.len());
                        v[i] = number(rng);
                    }
                    Attribute::Float(v) => *v = [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-30][rng.below(5)],
                    other => *other = Attribute::Int(number(rng)),
                }
            }
        }
        2 => {
            let known = &ops::KNOWN[rng.below(ops::KNOWN.len())];
            model.nodes[at].op_type = known.op_type.to_owned();
            model.nodes[at].domain = known.domain.to_owned();
        }
        3 => drop(model.nodes[at].inputs.pop()),
        4 => {
            let inputs = model.inputs.len();
            let dims = model.inputs[rng.below(inputs)].shape.get_or_insert_default();
            let i = rng.below(dims.len());
            if let Some(dim) = dims.get_mut(i) {
                *dim = Dim::Fixed(usize::try_from(number(rng)).unwrap_or(3));
            }
        }
        5 => {
            let count = model.initializers.len();
            let i = rng.below(count);
            if let Some(tensor) = model.initializers.values_mut().nth(i) {
                let n: usize = tensor.shape().iter().product();
                let shapes = [vec![n], vec![1, n], vec![n, 1], vec![1, 1, n], vec![n, 1, 1, 1], vec![0]];
                let shape = &shapes[rng.below(shapes.len())];
                let count: usize = shape.iter().product();
                tensor.data = match &tensor.data {
                    TensorData::Float(a) => {
                        let v = a.iter().copied().take(count).collect();
                        TensorData::Float(
                            ndarray::ArrayD::from_shape_vec(shape.as_slice(), v).expect("a shape"),
                        )
                    }
                    TensorData::Int(a) => {
                        let v = a.iter().copied().take(count).collect();
                        TensorData::Int(
                            ndarray::ArrayD::from_shape_vec(shape.as_slice(), v).expect("a shape"),
                        )
                    }
                };
            }
        }
        6 => {
            let all = [
                DType::F32,
                DType::U8,
                DType::I8,
                DType::I32,
                DType::I64,
                DType::I16,
                DType::I4,
                DType::Bool,
            ];
            let count = model.initializers.len();
            let i = rng.below(count);
            if let Some(tensor) = model.initializers.values_mut().nth(i) {
                let to = all[rng.below(all.len())];
                // The decoder keeps floats in float tensors and integers inside their type.
                if (to == DType::F32) == matches!(tensor.data, TensorData::Float(_)) {
                    tensor.dtype = to;
                }
            }
        }
        7 => {
            let name = model.nodes[at].outputs.first().cloned().unwrap_or_default();
            let outputs = model.outputs.len();
            model.outputs[rng.below(outputs)].name = name;
        }
        _ => {
            let axes = ["axis", "group", "ceil_mode", "keepdims", "transB", "transA"];
            let name = axes[rng.below(axes.len())].to_owned();
            model.nodes[at].attributes.insert(name, Attribute::Int(number(rng)));
        }
    }
}

/// Damaged models compile or are refused; nothing panics, and nothing is an internal fault.
#[test]
fn damaged_models_never_panic() {
    let rounds = std::env::var("O2C_FUZZ").ok().and_then(|v| v.parse().ok()).unwrap_or(60);
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    let (mut compiled, mut refused) = (0, 0);
    for path in cases("passes") {
        let file = std::fs::read_to_string(&path).expect("a case");
        let text = file.split("---").next().unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("run ")).collect();
        let model = parse::parse(&lines.join("\n")).expect("a case parses");
        for _ in 0..rounds {
            let mut damaged = model.clone();
            for _ in 0..=rng.below(3) {
                mutate(&mut damaged, &mut rng);
            }
            let result = std::panic::catch_unwind(|| compile_front(&damaged));
            match result {
                Ok(Ok(_)) => compiled += 1,
                Ok(Err(faults)) => {
                    refused += 1;
                    assert!(
                        faults.0.iter().all(|f| f.code.0 < 900),
                        "{}: {faults}\n{damaged:?}",
                        path.display()
                    );
                }
                Err(_) => panic!("{}: panic on {damaged:?}", path.display()),
            }
        }
    }
    assert!(compiled > 0 && refused > 0, "{compiled} compiled, {refused} refused");
}
