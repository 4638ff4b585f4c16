//! Passes on data: text in, text out; every refusal as rendered; real models.
//!
//! A case is a file: comments, `run PASS, PASS` (or `run all`, `run lower`), the model as text, `---`, what is expected.
//! With `UPDATE_EXPECT=1` the expected part is rewritten.

use std::path::{Path, PathBuf};

use super::{PASSES, PIPELINE, Pass, compile_front, compile_front_traced};
use crate::diag::{CODES, Result};
use crate::graph::{parse, text, verify};
use crate::ops;

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
    if names == "lower" {
        return compile_front(&model).map(|g| text::int(&g));
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
