//! The hand-off folder of a tiny design: its files, its key contents, its bytes twice, its safety on disk.

use std::collections::BTreeMap;

use super::*;
use crate::design::{Ident, Layer, Memory, Param, ParamValue, Step, Storage, Stream, Tensor};
use crate::exec::Data;

/// Two layers, the second without an accumulator; names that no output language may take literally.
pub(crate) fn tiny_design() -> Design {
    let layer = |name: &str, op: &str, node, cycles| Layer {
        name: name.into(),
        op: op.into(),
        first_node: node,
        last_node: node,
        input_shape: [2, 2, 3],
        output_shape: [2, 2, 3],
        bits: [8, 8],
        macs: 24,
        cycles,
        tensor: format!("{name}.y"),
        reads: vec!["x".into()],
        writes_output: false,
        output_quant: (0.5, -1, 128),
        ..Layer::default()
    };
    let stream = |tensor: &str| Stream {
        bytes: 12,
        cycles: 2,
        tensors: vec![Tensor {
            node: 0,
            tensor: tensor.into(),
            shape: [2, 2, 3],
            offset: 0,
            bytes: 12,
            dtype: "uint8",
            scale: 0.5,
            zero_point: 127,
            head: None,
        }],
    };
    let param = |name, value| Param { name, value: ParamValue::One(value) };
    Design {
        name: Ident::legalise("tiny"),
        array: [1, 2, 2],
        multipliers: crate::design::Multipliers::Infer,
        lanes: 2,
        params: vec![param("STREAM_W", 64), param("P", 1)],
        memories: vec![Memory {
            name: "weights",
            param: "WEIGHT_INIT",
            width: 12,
            words: vec![vec![0x34, 0x02], vec![0xff, 0x0f]],
            what: "weights in the order of use",
            packing: "3 weights of 4 bits".into(),
            fields: vec![],
        }],
        storage: vec![Storage {
            name: "scratchpad",
            width: 16,
            depth: 8,
            least_depth: 6,
            what: "activations",
        }],
        external: None,
        layers: vec![layer("a;\nendmodule", "Conv", 1, 30), layer("<b>\"\\", "MaxPool", 2, 12)],
        steps: vec![Step { layer: 0, place: 0, rows: [0, 2] }, Step { layer: 1, place: 0, rows: [0, 2] }],
        joins: vec![],
        input: stream("x"),
        output: stream("y"),
        cycles: 42,
        rtl_files: vec!["o2c_rom.v"],
    }
}

fn facts() -> Facts {
    let layer = LayerFacts {
        lane: "offset".into(),
        reachable: [-5, 7],
        accumulator_bits: 4,
        differing_accumulators: 0,
        differing: None,
        ambiguous_sums: 0,
    };
    Facts {
        model: "tiny.onnx".into(),
        model_sha256: "00".into(),
        target: Device { name: "generic".into(), ..Device::default() },
        rescale: Rescale::Exact,
        clock_mhz: 100,
        host_before: vec!["quantize".into()],
        host_after: vec![],
        layers: vec![layer.clone(), layer],
    }
}

fn vectors() -> Vectors {
    let sample = |first: u8| SampleVectors {
        input: (first..first + 12).collect(),
        layers: vec![
            LayerVectors { acc: (-6..6).collect(), q: (-6..6).collect(), y: (-6..6).collect() },
            LayerVectors { acc: vec![], q: vec![], y: (0..12).collect() },
        ],
        output: (0..12).collect(),
    };
    let host = |name: &str, first| HostArray {
        name: name.into(),
        what: "an array".into(),
        data: Data::F32(ndarray::ArrayD::from_elem(vec![2, 12], first)),
    };
    let host = vec![host("host_input", 0.5), host("host_output", 1.5)];
    Vectors { samples: vec![sample(1), sample(101)], host, order: vec![] }
}

fn tiny() -> Files {
    let (design, facts, vectors) = (tiny_design().check().unwrap(), facts(), vectors());
    files(&Package { design: &design, facts: &facts, vectors: &vectors, formats: &[MemFormat::Coe] }).unwrap()
}

fn text(files: &Files, path: &str) -> String {
    String::from_utf8(files.get(path).unwrap_or_else(|| panic!("no {path}")).to_vec()).unwrap()
}

#[test]
fn the_files() {
    let files = tiny();
    let paths: Vec<&str> = files.iter().map(|f| f.entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "Makefile",
            "README.md",
            "constraints/clock.lpf",
            "constraints/clock.sdc",
            "constraints/clock.xdc",
            "constraints/vivado.tcl",
            "docs/descriptor.md",
            "docs/hardware.md",
            "docs/registers.md",
            "include/onnx2chip_regs.h",
            "mem/weights.coe",
            "mem/weights.hex",
            "report.html",
            "report.json",
            "rtl/o2c_rom.v",
            "rtl/tiny.v",
            "tb/axi.h",
            "tb/axi_memory.h",
            "tb/checker.h",
            "tb/design.h",
            "tb/harness.cpp",
            "tb/npy.h",
            "tb/o2c_bench.v",
            "tb/options.h",
            "tb/protocol.h",
            "tb/tb.v",
            "vectors/host_input.npy",
            "vectors/host_output.npy",
            "vectors/input.hex",
            "vectors/input.npy",
            "vectors/l000_acc.npy",
            "vectors/l000_q.npy",
            "vectors/l000_y.npy",
            "vectors/l001_y.npy",
            "vectors/output.hex",
            "vectors/output.npy",
            "manifest.json",
        ]
    );
}

#[test]
fn key_contents() {
    let files = tiny();
    let check = |path: &str, expect: &str| {
        let text = text(&files, path);
        assert!(text.contains(expect), "{path} lacks {expect:?}:\n{text}");
    };
    check("mem/weights.hex", "234\nfff\n");
    // 12 bytes are a whole beat and a half one.
    check("vectors/input.hex", "0807060504030201\n000000000c0b0a09\n6c6b6a6968676665\n00000000706f6e6d\n");
    check("rtl/tiny.v", "module tiny (");
    check(
        "rtl/tiny.v",
        "  o2c_accelerator #(\n    .STREAM_W(64),\n    .P(1),\n    .WEIGHT_INIT({`IP_DATA, \"/weights.hex\"})\n  ) u_accelerator (",
    );
    check(
        "rtl/tiny.v",
        "//    0  a;?endmodule: Conv, 2x2x3 to 2x2x3\n//    1  <b>\"?: MaxPool, 2x2x3 to 2x2x3\n",
    );
    check(
        "tb/design.h",
        r#"{"a;\012endmodule", "Conv", 2, 2, 3, kSegments0, 24ull, 30ull, true, false, false},"#,
    );
    check(
        "tb/design.h",
        r#"{"<b>\"\\", "MaxPool", 2, 2, 3, kSegments1, 24ull, 12ull, false, false, false},"#,
    );
    check("tb/design.h", "#define O2C_ENGINE(name) tiny__DOT__u_accelerator__DOT__u_engine__DOT__##name");
    check("tb/tb.v", ".OUTPUT_BEATS (2),");
    check("constraints/clock.xdc", "-period 10.000 [get_ports clk_i]");
    check("constraints/clock.lpf", "FREQUENCY PORT \"clk_i\" 100 MHZ;");
    check("Makefile", "RTL := \\\n  rtl/o2c_rom.v \\\n  rtl/$(TOP).v\n");
    check("report.html", "&#60;b&#62;");
    check("report.json", "\"differing_accumulators\": 0");
}

/// The promised names of the report's fields.
#[test]
fn report_fields() {
    let report: serde_json::Value = serde_json::from_str(&text(&tiny(), "report.json")).unwrap();
    let layer = &report["layers"][0];
    for field in [
        "name",
        "op",
        "macs",
        "cycles_predicted",
        "bits",
        "lane",
        "reachable",
        "accumulator_bits",
        "differing_accumulators",
    ] {
        assert!(!layer[field].is_null(), "{field}");
    }
    assert_eq!(layer["efficiency"], 0.2);
    assert_eq!(report["memories"][1]["least_depth"], 6);
    assert_eq!(report["cycles"]["predicted"], 42);
    assert_eq!(report["memories"][1]["bits"], 128);
}

/// Every file is in the manifest with its own digest, and arrays say what they are.
#[test]
fn manifest_is_complete() {
    let files = tiny();
    let manifest: Manifest = serde_json::from_str(&text(&files, "manifest.json")).unwrap();
    let listed: BTreeMap<&str, &Entry> = manifest.files.iter().map(|e| (e.path.as_str(), e)).collect();
    for f in files.iter().filter(|f| f.entry.path != "manifest.json") {
        assert_eq!(listed[f.entry.path.as_str()].sha256, manifest::digest(&f.bytes), "{}", f.entry.path);
    }
    assert_eq!(listed.len() + 1, files.iter().count());
    let acc = listed["vectors/l000_acc.npy"];
    assert_eq!((acc.shape.as_deref(), acc.width), (Some(&[2, 2, 2, 3][..]), Some(32)));
    assert_eq!(listed["mem/weights.hex"].packing.as_deref(), Some("3 weights of 4 bits"));
}

#[test]
fn the_same_twice() {
    let bytes = |f: &Files| f.iter().map(|f| (f.entry.path.clone(), f.bytes.clone())).collect::<Vec<_>>();
    assert_eq!(bytes(&tiny()), bytes(&tiny()));
}

#[test]
fn a_folder_is_replaced_whole_or_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("out");
    let files = tiny();
    folder::write(&dir, &files).unwrap();
    assert!(folder::altered(&dir, &folder::manifest(&dir).unwrap()).unwrap().is_empty());

    // Build results survive, an altered file is refused unless forced, a file of the user's is protected.
    std::fs::create_dir(dir.join("build")).unwrap();
    std::fs::write(dir.join("build/keep"), "x").unwrap();
    std::fs::write(dir.join("mem/weights.hex"), "0\n").unwrap();
    assert_eq!(folder::altered(&dir, &folder::manifest(&dir).unwrap()).unwrap(), ["mem/weights.hex"]);
    let refused = folder::check_replaceable(&dir, false).unwrap_err();
    assert!(refused.to_string().contains("mem/weights.hex in it was changed"), "{refused}");
    folder::write(&dir, &files).unwrap();
    assert!(dir.join("build/keep").exists());
    assert_eq!(std::fs::read_to_string(dir.join("mem/weights.hex")).unwrap(), "234\nfff\n");
    std::fs::write(dir.join("notes.txt"), "mine").unwrap();
    assert_eq!(folder::write(&dir, &files).unwrap_err().0[0].code, code::OUTPUT_EXISTS);
    assert!(dir.join("notes.txt").exists());

    // A folder that is not ours, and a file.
    let other = scratch.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("manifest.json"), "{}").unwrap();
    assert_eq!(folder::write(&other, &files).unwrap_err().0[0].code, code::OUTPUT_EXISTS);
    assert_eq!(
        folder::write(&other.join("manifest.json"), &files).unwrap_err().0[0].code,
        code::OUTPUT_EXISTS
    );

    // What a process that was killed left is removed; what another one is writing is not.
    let stem = format!(".o2c-{}-new-", &manifest::digest(b"out")[..12]);
    let (dead, running) = (scratch.path().join(format!("{stem}4294967295")), format!("{stem}1"));
    std::fs::create_dir_all(dead.join("rtl")).unwrap();
    std::fs::create_dir(scratch.path().join(&running)).unwrap();
    std::fs::remove_file(dir.join("notes.txt")).unwrap();
    folder::write(&dir, &files).unwrap();
    assert!(!dead.exists());
    std::fs::remove_dir(scratch.path().join(running)).unwrap();

    // Nothing is left beside them.
    let mut left: Vec<_> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["other", "out"]);
}

#[test]
fn inconsistent_packages_are_internal_faults() {
    let (design, facts, vectors) = (tiny_design().check().unwrap(), facts(), vectors());
    let fails = |facts: &Facts, vectors: &Vectors| {
        let r = files(&Package { design: &design, facts, vectors, formats: &[] });
        assert_eq!(r.unwrap_err().0[0].code, code::INTERNAL);
    };
    fails(&Facts { layers: vec![], ..facts.clone() }, &vectors);
    fails(&facts, &Vectors::default());
    let mut short = vectors.clone();
    short.samples[1].output.pop();
    fails(&facts, &short);
    let mut short = vectors.clone();
    short.samples[0].layers[0].q.pop();
    fails(&facts, &short);
}
