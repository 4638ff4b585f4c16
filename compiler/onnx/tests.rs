//! Real models in, and back out; hostile files refused with the right code.

use std::path::Path;

use super::{decode, encode, read};

/// The `.onnx` files of the folders that are there: committed ones, and the larger collection beside the project.
fn real_models() -> Vec<std::path::PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["models", "../shared/zoo/models", "../shared/zoo/float"] {
        match std::fs::read_dir(root.join(folder)) {
            Ok(dir) => paths.extend(dir.filter_map(|e| Some(e.ok()?.path()))),
            Err(_) => eprintln!("skipped: no folder {folder}"),
        }
    }
    paths.retain(|p| p.extension().is_some_and(|e| e == "onnx"));
    paths.sort();
    paths
}

#[test]
fn real_models_come_back_equal() {
    for path in real_models() {
        let model = read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let again = decode(encode(&model).unwrap().into(), None).unwrap();
        assert_eq!(model, again, "{}", path.display());
        assert_eq!(encode(&model).unwrap(), encode(&again).unwrap());
    }
}
