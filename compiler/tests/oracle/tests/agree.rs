//! Both decoders give the same model, for every real model and for mutants that the compiler accepts.

use std::path::{Path, PathBuf};

use onnx2chip::onnx::{decode, encode};
use onnx2chip_oracle::model;

fn models(folders: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let mut paths = Vec::new();
    for folder in folders {
        match std::fs::read_dir(root.join(folder)) {
            Ok(dir) => paths.extend(dir.filter_map(|e| Some(e.ok()?.path()))),
            Err(_) => eprintln!("skipped: no folder {folder}"),
        }
    }
    paths.retain(|p| p.extension().is_some_and(|e| e == "onnx"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[test]
fn on_real_models() {
    for path in models(&["models", "../shared/zoo/models", "../shared/zoo/float"]) {
        let bytes = std::fs::read(&path).unwrap();
        let ours = decode(bytes.clone().into(), None).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let theirs = model(&bytes);
        assert!(ours == theirs, "{} differs", path.display());
        // What we write, the other decoder reads alike.
        assert!(model(&encode(&ours).unwrap()) == ours, "{} differs when written", path.display());
    }
}

#[test]
fn on_mutants() {
    let mut accepted = 0;
    for path in models(&["models"]) {
        let bytes = std::fs::read(&path).unwrap();
        let mut state = 1u64;
        for _ in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            let mut mutant = bytes.clone();
            mutant[at] ^= 1 << (state >> 30 & 7);
            // Mutants may hold NaN: compared as written.
            if let Ok(ours) = decode(mutant.clone().into(), None) {
                let theirs = model(&mutant);
                assert!(
                    encode(&ours).unwrap() == encode(&theirs).unwrap(),
                    "{} differs with byte {at} changed",
                    path.display()
                );
                accepted += 1;
            }
        }
    }
    eprintln!("{accepted} mutants compared");
    assert!(accepted > 100);
}
