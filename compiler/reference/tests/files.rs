//! Committed models and samples: the executor's bytes pinned by digest, and equal to ONNX Runtime's.

use std::fmt::Write as _;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::exec::{Data, Executor, npy};
use crate::graph::int::IntGraph;
use crate::reference::compare::compare;
use crate::reference::ort::{Setting, runtime};
use crate::{onnx, passes};

/// Model, samples, first 8 bytes of the SHA-256 of all outputs.
const CASES: [(&str, &str, &str); 4] = [
    ("mlperftiny_resnet8_int8_qdq", "photos32_16", "67c46719412ecd91"),
    ("mnist_lenet_int8_qdq", "digits_drawn16", "1cb69ffbd52ad2d2"),
    ("mnist_lenet_int8_qoperator", "digits_drawn16", "6f7ca695d203731b"),
    ("tflm_micro_speech_int8_qdq", "micro_speech_features3", "73edb4a0c536ffaf"),
];

fn load(model: &str, samples: &str) -> (PathBuf, IntGraph, Data) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models");
    let path = folder.join(format!("{model}.onnx"));
    let graph = passes::compile_front(&onnx::read(&path).unwrap()).unwrap();
    let data = npy::load(&folder.join(format!("{samples}.npy"))).unwrap();
    (path, graph, data)
}

#[test]
fn outputs_are_pinned() {
    let mut found = Vec::new();
    for (model, samples, _) in CASES {
        let (_, graph, data) = load(model, samples);
        let out = Executor::new(&graph).unwrap().run(&[data]).unwrap();
        let mut text = String::new();
        for byte in Sha256::digest(out[0].to_bytes()).iter().take(8) {
            write!(text, "{byte:02x}").unwrap();
        }
        found.push((model, samples, text));
    }
    assert_eq!(found, CASES.map(|(m, s, digest)| (m, s, digest.to_owned())));
}

#[test]
fn committed_models_equal_onnx_runtime() {
    if let Err(e) = runtime() {
        eprintln!("skipped: {e}");
        return;
    }
    for (model, samples, _) in CASES {
        let (path, graph, data) = load(model, samples);
        let result = compare(&path, &graph, &[data]).unwrap();
        assert!(result.agrees(), "{model}: {result:#?}");
        let judged: Vec<Setting> = result.settings.iter().filter(|s| s.judged).map(|s| s.setting).collect();
        assert_eq!(judged.len(), 2, "{model}: {judged:?}");
        for setting in result.settings.iter().filter(|s| s.judged) {
            assert!(
                setting.all().all(|d| d.elements > 0) && !setting.outputs.is_empty(),
                "{model}: {setting:?}"
            );
        }
    }
}
