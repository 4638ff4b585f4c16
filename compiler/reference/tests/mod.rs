//! Random small graphs, exported, encoded, decoded and run by ONNX Runtime: every tensor equals the executor's.
//! Skipped with a note where there is no ONNX Runtime (set ORT_DYLIB_PATH).

mod files;
mod moves;
#[path = "../../tests/random.rs"]
mod random;

use ndarray::{ArrayD, IxDyn};

use crate as o2c;
use crate::exec::{Data, Executor};
use crate::graph::Port;
use crate::graph::int::{HeadUnit, IntGraph, IntOp};
use crate::onnx;
use crate::reference::compare::{SettingResult, compare_export};
use crate::reference::export::{ExportOptions, WeightForm, export};
use crate::reference::ort::{Session, Setting, runtime};
use random::{Profile, inputs, number};

fn graph(seed: u64) -> IntGraph {
    random::graph(seed, Profile { nodes: (3, 9), macs: 100_000, beyond: false, tall: false })
}

fn assert_equal(result: &SettingResult, seed: u64) {
    assert_eq!(result.error, None, "seed {seed}");
    for d in result.all() {
        assert_eq!(d.differing, 0, "seed {seed}: {d:?}");
        assert!(d.elements > 0);
    }
}

#[test]
fn every_export_decodes_to_itself() {
    for seed in 0..40 {
        let exported =
            export(&graph(seed), &ExportOptions { all_outputs: true, ..ExportOptions::default() }).unwrap();
        let bytes = onnx::encode(&exported.model).unwrap();
        assert_eq!(onnx::decode(bytes.into(), None).unwrap(), exported.model, "seed {seed}");
    }
}

#[test]
fn random_graphs_equal_onnx_runtime() {
    if let Err(e) = runtime() {
        eprintln!("skipped: {e}");
        return;
    }
    for seed in 0..number("O2C_RANDOM_REFERENCE", 150) {
        let graph = graph(seed);
        for weights in [WeightForm::Natural, WeightForm::Unsigned] {
            let result = compare_export(&graph, &inputs(&graph, seed, 3), weights);
            assert_equal(&result.unwrap_or_else(|e| panic!("seed {seed}: {e}")), seed);
        }
    }
}

/// Units behind the last layer give what the host's steps give; a Softmax at most a step beside it, seldom.
#[test]
fn units_behind_the_last_layer_equal_the_host() {
    let (mut places, mut softmaxes, mut values, mut differing) = (0, 0, 0, 0);
    for seed in 0..number("O2C_RANDOM_REFERENCE", 150) * 4 {
        let host = graph(seed);
        let mut hardware = host.clone();
        crate::passes::heads::run(&mut hardware);
        let of = |port: &Port| match &hardware.node(port.node).op {
            IntOp::Output(output) => output.head.clone(),
            _ => None,
        };
        let heads: Vec<_> = hardware.outputs.iter().map(of).collect();
        if heads.iter().all(Option::is_none) {
            continue;
        }
        let x = inputs(&host, seed, 3);
        let [a, b] = [&host, &hardware].map(|g| Executor::new(g).unwrap().run(&x).unwrap());
        for ((a, b), head) in a.into_iter().zip(b).zip(heads) {
            let Some((spec, head)) = head.and_then(|head| match head.unit {
                HeadUnit::Softmax(spec) => Some((spec, head)),
                HeadUnit::ArgMax { .. } => {
                    places += 1;
                    None
                }
            }) else {
                assert_eq!(a, b, "seed {seed}");
                continue;
            };
            softmaxes += 1;
            assert_eq!(a.shape(), b.shape());
            let step = if head.steps.is_empty() { 1.0 } else { f64::from(spec.output.0) };
            for (a, b) in a.to_f64().into_iter().zip(b.to_f64()) {
                assert!((a - b).abs() <= 1.01 * step, "seed {seed}: {a} {b}");
                (values, differing) = (values + 1, differing + usize::from(a != b));
            }
        }
    }
    assert!(places > 20 && softmaxes > 20, "{places} places, {softmaxes} Softmaxes");
    assert!(differing <= values / 1000, "{differing} of {values}");
}

#[test]
fn an_output_may_be_the_input_itself() {
    if let Err(e) = runtime() {
        eprintln!("skipped: {e}");
        return;
    }
    let shape = [1, 1 << 20];
    let mut b = crate::reference::build::Builder::new("same", 13);
    b.reserve("x");
    b.input("x", onnx::model::DType::I8, &shape);
    b.output("x", onnx::model::DType::I8, &shape);
    let bytes = onnx::encode(&b.finish()).unwrap();
    let mut session = Session::from_bytes(&bytes, Setting::Disabled, 1).unwrap();
    let x = Data::I8(ArrayD::from_elem(IxDyn(&shape), 77));
    assert_eq!(session.run(&[("x".into(), x.clone())]).unwrap(), [("x".into(), x)]);
}
