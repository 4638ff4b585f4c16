//! Small QONNX models: every output of the executor, and of the proved hardware lanes, is what QONNX's own execution gave.
//!
//! The models, inputs and outputs in `compiler/tests/qonnx` come from `models/make_qonnx_cases.py`.
#![allow(missing_docs, reason = "a test")]

use std::path::{Path, PathBuf};

use onnx2chip::diag::{Diagnostics, code};
use onnx2chip::exec::{Data, Executor, npy};
use onnx2chip::quant::{self, RescaleMode};
use onnx2chip::{DEFAULT_STREAM_BITS, Heads, Options, targets};

/// Functions of the accumulator that one multiplier and offset can't be: with a bend, with the widest step around zero or none
/// there, or with steps over a value that is not taken.
const WITHOUT_LANE: &[&str] = &["constants_of_channels", "rounding_down", "rounding_up", "thresholds"];

fn floats(data: &Data) -> Vec<u32> {
    let Data::F32(values) = data else { panic!("{} instead of float32", data.type_name()) };
    values.iter().map(|v| v.to_bits()).collect()
}

fn check(model: &Path) {
    let name = model.display();
    let without_lane = WITHOUT_LANE.iter().any(|stem| model.file_stem().is_some_and(|s| s == *stem));
    let source = onnx2chip::load(model).unwrap_or_else(|e| panic!("{name}: {e}"));
    let array = |kind: &str| npy::load(&model.with_extension(kind)).expect("an array");
    let (x, y) = (array("x.npy"), array("y.npy"));
    let plain = Executor::new(&source.graph).expect("an executor");
    let mut executors = vec![plain];
    match quant::solve(&source.graph, RescaleMode::Proved) {
        Ok(proved) => {
            assert!(!without_lane, "{name} has a lane now");
            executors.push(Executor::new(&source.graph).expect("an executor").with_quantized(&proved));
        }
        Err(Diagnostics(faults)) => {
            assert!(
                without_lane && faults.iter().all(|f| f.code == code::RESCALE_INFEASIBLE),
                "{name}: {faults:?}"
            );
        }
    }
    for executor in executors {
        let got = executor.run(std::slice::from_ref(&x)).unwrap_or_else(|e| panic!("{name}: {e}"));
        // -0 and 0 are one value.
        let bits = |all: &Data| {
            floats(all).into_iter().map(|b| if b == 1 << 31 { 0 } else { b }).collect::<Vec<_>>()
        };
        assert_eq!(bits(&got[0]), bits(&y), "{name}");
    }
    if without_lane {
        return;
    }
    let options = Options {
        array: [2, 2, 4],
        macs: None,
        lanes: None,
        stream_bits: DEFAULT_STREAM_BITS,
        multipliers: onnx2chip::plan::Wish::Target(onnx2chip::design::Multipliers::Infer),
        external: None,
        target: targets::find("generic").expect("a target"),
        name: None,
        rescale: RescaleMode::Proved,
        heads: Heads::Hardware,
    };
    onnx2chip::compile(source, &options).unwrap_or_else(|e| panic!("{name}: {e}"));
}

#[test]
fn every_value_is_qonnx() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compiler/tests/qonnx");
    let mut models: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .collect();
    models.sort();
    assert!(models.len() >= 18, "{} cases", models.len());
    models.iter().for_each(|model| check(model));
}

/// Weights of few bits, wide outputs and additions between them, in hardware.
#[test]
fn verilog_equals_the_executor() {
    let tool = |name: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|d| d.join(name).exists())
    };
    if !tool("verilator") {
        eprintln!("skipped: verilator is not installed");
        return;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    for case in ["bipolar", "residual", "wide_output"] {
        let model = Path::new("compiler/tests/qonnx").join(case);
        let dir = scratch.path().join(case);
        let run = |args: &[&std::ffi::OsStr]| {
            let program = env!("CARGO_BIN_EXE_onnx2chip");
            let mut command = std::process::Command::new(program);
            let done =
                command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).output().expect("a program");
            assert!(done.status.success(), "{case}: {}", String::from_utf8_lossy(&done.stderr));
        };
        let (onnx, x) = (model.with_extension("onnx"), model.with_extension("x.npy"));
        let array = "2,2,4".as_ref();
        run(&[
            "compile".as_ref(),
            onnx.as_ref(),
            "-o".as_ref(),
            dir.as_ref(),
            "--array".as_ref(),
            array,
            "--input".as_ref(),
            x.as_ref(),
        ]);
        run(&["simulate".as_ref(), dir.as_ref(), "--stall".as_ref(), "random".as_ref()]);
    }
}
