//! The program as a user runs it: exit codes, diagnostics, JSON shapes, files left behind.
#![allow(missing_docs, clippy::print_stdout, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model(name: &str) -> String {
    root().join("models").join(name).display().to_string()
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onnx2chip")).args(args).current_dir(root()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, and what standard error has to contain.
#[test]
fn refusals() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    let write = |name: &str, content: &str| {
        std::fs::write(scratch.path().join(name), content).unwrap();
        path(name)
    };
    let lenet = model("mnist_lenet_int8_qdq.onnx");
    let (out, unknown) = (path("out"), write("unknown.toml", "arrray = [4, 4, 16]\n"));
    let (both, odd) =
        (write("both.toml", "macs = 4\narray = [1, 1, 1]\n"), write("odd.toml", "target = \"fpga\"\n"));
    let shape = write("shape.toml", "array = \"4,4\"\n");
    let empty = write("empty.onnx", "");
    let npy = model("micro_speech_features3.npy");
    let readme = model("README.md");
    std::fs::create_dir(scratch.path().join("mine")).unwrap();
    write("mine/file", "x");
    let mine = path("mine");
    let check = |args: &[&str], status: i32, expect: &str| {
        let o = run(args);
        let stderr = text(&o.stderr);
        assert_eq!(o.status.code(), Some(status), "{args:?}: {stderr}");
        assert!(stderr.contains(expect), "{args:?}: {expect:?} is not in {stderr}");
    };
    check(&["compile"], 2, "Usage");
    check(
        &["compile", "none.onnx", "-o", &out],
        2,
        "error[O2C0001]: the model can't be read\n   file: none.onnx\n",
    );
    check(&["compile", &readme, "-o", &out], 2, "error[O2C0010]");
    check(&["inspect", &readme], 2, &format!("   file: {readme}\n"));
    check(&["inspect", &empty], 2, &format!("   file: {empty}\n"));
    check(&["compile", &lenet, "-o", "/"], 2, "it is a root folder");
    check(&["compile", &lenet, "-o", "."], 2, "this command runs in it");
    check(&["compile", &lenet, "-o", &format!("{}/..", root().display())], 2, "this command runs in it");
    for bits in ["0", "4", "24", "1024"] {
        check(&["compile", &lenet, "-o", &out, "--stream-bits", bits], 2, "a power of two from 8 to 512");
    }
    check(
        &["compile", &lenet, "-o", &mine],
        2,
        "error[O2C0003]: the output folder would overwrite something\n folder: ",
    );
    check(&["compile", &lenet, "-o", &path("odd.toml/out")], 2, "error[O2C0002]");
    check(&["compile", &lenet, "-o", &out, "--array", "4,4"], 2, "three numbers");
    check(&["compile", &lenet, "-o", &out, "--array", "3,4,16"], 2, "error[O2C0400]");
    check(&["compile", &lenet, "-o", &out, "--target", "fpga"], 2, "error[O2C0004]");
    check(&["compile", &lenet, "-o", &out, "--macs", "0"], 2, "--macs is at least 1");
    for n in ["100000", "1000000000000", "18446744073709551615"] {
        check(
            &["compile", &lenet, "-o", &out, "--samples", n],
            2,
            "error[O2C0011]: there are too many samples",
        );
    }
    let large = ["compile", &lenet, "-o", &out, "--target", "ecp5-25k", "--array", "4,4,16"];
    check(&large, 2, "LFE5U-25F has 28\n remedy: --array ");
    check(&["compile", &lenet, "-o", &out, "--config", &shape], 2, "three numbers are expected");
    let single = ["compile", &lenet, "-o", &out, "--array", "4,4,1", "--multipliers", "packed"];
    check(&single, 2, "two share a multiplier");
    check(&["compile", &lenet, "-o", &out, "--swl", "16"], 2, "error[O2C0004]");
    for wrong in [
        &["--burst", "8"][..],
        &["--on-chip", "0"],
        &["--on-chip", "18446744073709551615"],
        &["--on-chip", "9", "--burst", "3"],
        &["--on-chip", "9", "--bus-bits", "1024"],
        &["--on-chip", "9", "--outstanding", "17"],
        &["--on-chip", "9", "--mem-latency", "0"],
    ] {
        check(&[&["compile", &lenet, "-o", &out], wrong].concat(), 2, "error[O2C0004]");
    }
    let little = ["compile", &lenet, "-o", &out, "--on-chip", "2"];
    check(&little, 2, "error[O2C0401]: the network needs more memory on the chip");
    check(&little, 2, "remedy: give --on-chip ");
    check(&["compile", &lenet, "-o", &out, "--config", &unknown], 2, "unknown field `arrray`");
    check(&["compile", &lenet, "-o", &out, "--config", &both], 2, "error[O2C0004]");
    check(&["compile", &lenet, "-o", &out, "--config", &odd], 2, "\"fpga\" is not a target");
    check(&["compile", &lenet, "-o", &out, "--input", &npy], 2, "error[O2C0500]");
    check(&["run", &lenet, "--input", &npy], 2, "error[O2C0500]");
    check(&["run", &lenet, "--input", "none.npy"], 2, "error[O2C0001]");
    check(&["simulate", &out], 2, "error[O2C0600]");
    check(&["synth", &mine], 2, "error[O2C0600]");
    check(&["explain", "O2C9999"], 2, "error[O2C0004]");
    // Nothing is left of a compilation that was refused.
    assert!(!Path::new(&out).exists());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 6);
}

#[test]
fn diagnostics_are_objects_with_json() {
    let o = run(&["compile", "none.onnx", "-o", "none", "--json"]);
    let d: serde_json::Value = serde_json::from_slice(&o.stderr).unwrap();
    assert_eq!(d["code"], "O2C0001");
    for field in ["message", "cause", "remedy"] {
        assert!(d[field].as_str().is_some_and(|s| !s.is_empty()), "{field}");
    }
    assert!(o.stdout.is_empty());
    // The command line's own errors as well; help stays text.
    for (args, cause) in [
        (&["compile", "--json"][..], "required arguments were not provided"),
        (&["compile", "m", "-o", "o", "--samples", "x", "--json"], "invalid value 'x' for '--samples <N>'"),
        (&["frobnicate", "--json"], "unrecognized subcommand 'frobnicate'"),
        (&["simulate", "o", "--stall", "some", "--json"], "[possible values: none, random, long]"),
    ] {
        let o = run(args);
        let d: serde_json::Value = serde_json::from_slice(&o.stderr).unwrap();
        assert_eq!((o.status.code(), d["code"].as_str()), (Some(2), Some("O2C0004")), "{args:?}");
        assert!(d["cause"].as_str().unwrap().contains(cause), "{d}");
    }
    let o = run(&["compile", "--help", "--json"]);
    assert!(o.status.success() && text(&o.stdout).contains("Usage:"));
}

/// What fixed mode costs is said: for every layer that differs how often, by how much and where.
#[test]
fn fixed_mode_says_where_and_how_much() {
    let scratch = tempfile::tempdir().unwrap();
    // As long as a name can be.
    let out = scratch.path().join("o".repeat(255)).display().to_string();
    let compile = |extra: &[&str]| {
        let lenet = model("mnist_lenet_int8_qdq.onnx");
        let o = run(&[&["compile", &lenet, "-o", &out, "--samples", "1"], extra].concat());
        assert_eq!(o.status.code(), Some(0), "{}", text(&o.stderr));
        text(&o.stdout)
    };
    let fixed = ["--rescale", "fixed", "--swl", "8", "--sfl", "9"];
    let v: serde_json::Value = serde_json::from_str(&compile(&[&fixed[..], &["--json"]].concat())).unwrap();
    assert_eq!(v["rescale"], serde_json::json!({"mode": "fixed", "swl": 8, "sfl": 9}));
    let layers = v["layers"].as_array().unwrap();
    let differing: Vec<_> = layers.iter().filter(|l| l["differing_accumulators"] != 0).collect();
    assert!(!differing.is_empty());
    for l in &differing {
        let d = &l["differing"];
        let size = |at: &serde_json::Value| {
            let number = |name: &str| at[name].as_i64().unwrap();
            let reach = |i: usize| l["reachable"][i].as_i64().unwrap();
            assert!((reach(0)..=reach(1)).contains(&number("accumulator")), "{l}");
            (number("expected") - number("got")).unsigned_abs()
        };
        assert!(d["channels"].as_u64().unwrap() > 0, "{l}");
        assert_eq!(d["largest_difference"].as_u64().unwrap(), size(&d["largest"]), "{l}");
        assert!((1..=size(&d["largest"])).contains(&size(&d["first"])), "{l}");
    }
    assert!(differing.iter().any(|l| l["differing"]["largest_difference"].as_u64() > Some(1)));
    let shown = compile(&fixed);
    let (name, d) = (differing[0]["name"].as_str().unwrap(), &differing[0]["differing"]);
    let sentence = format!(
        "differ, by at most {} (channel {}, accumulator {}: expected {}, got {}); first channel ",
        d["largest_difference"],
        d["largest"]["channel"],
        d["largest"]["accumulator"],
        d["largest"]["expected"],
        d["largest"]["got"]
    );
    assert!(shown.contains(&format!("note: {name}: ")) && shown.contains(&sentence), "{shown}");
    assert!(shown.contains("rescale fixed: scale words of 8 bits, 9 of them fraction"), "{shown}");
    let html = std::fs::read_to_string(Path::new(&out).join("report.html")).unwrap();
    assert!(html.contains("fixed: scale words of 8 bits") && html.contains(&sentence), "{html}");
    let v: serde_json::Value = serde_json::from_str(&compile(&["--json"])).unwrap();
    assert_eq!(v["rescale"], serde_json::json!({"mode": "exact"}));
    assert!(v["layers"].as_array().unwrap().iter().all(|l| l["differing"].is_null()));
}

/// Streams of other widths than the default's: golden in Verilator and Icarus, with stalls and wrong packets.
#[test]
fn streams_of_other_widths() {
    let scratch = tempfile::tempdir().unwrap();
    let there = |tool: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|d| d.join(tool).exists());
        if !found {
            println!("skipped in part: {tool} is not installed");
        }
        found
    };
    let (verilator, icarus) = (there("verilator"), there("iverilog"));
    let (lenet, ends) = ("mnist_lenet_int8_qdq", "../testbench/mutants/ends");
    for (net, bits) in [(lenet, 8), (lenet, 64), (ends, 128)] {
        let dir = scratch.path().join(format!("w{bits}"));
        let (out, config) = (dir.display().to_string(), scratch.path().join("c.toml").display().to_string());
        std::fs::write(&config, format!("array = [2, 4, 8]\nsamples = 2\nstream_bits = {bits}\n")).unwrap();
        let file = model(&format!("{net}.onnx"));
        let o = run(&["compile", &file, "-o", &out, "--config", &config, "--json"]);
        assert_eq!(o.status.code(), Some(0), "{}", text(&o.stderr));
        let v: serde_json::Value = serde_json::from_slice(&o.stdout).unwrap();
        assert_eq!(v["stream_bits"], bits);
        // The tensors of a packet, one behind the other.
        for packet in [&v["input"], &v["output"]] {
            let tensors = packet["tensors"].as_array().unwrap();
            let mut next = 0;
            for t in tensors {
                assert_eq!(t["offset"], next);
                next += t["bytes"].as_u64().unwrap();
            }
            assert_eq!(
                (packet["bytes"].as_u64(), tensors.len()),
                (Some(next), if net == ends { 2 } else { 1 })
            );
        }
        let file = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&file("manifest.json")).unwrap();
        assert_eq!(manifest["stream_bits"], bits);
        assert!(file("README.md").contains(&format!("Both have {bits} bits: {} byte", bits / 8)));
        let top = Path::new(net).file_name().unwrap().to_str().unwrap();
        assert!(file(&format!("rtl/{top}.v")).contains(&format!("[{bits}-1:0]          m_axis_tdata")));
        assert_eq!(file("vectors/input.hex").lines().next().map(str::len), Some(bits / 4));
        let simulate = |extra: &[&str]| {
            let o = run(&[&["simulate", &out, "--json"], extra].concat());
            assert_eq!(o.status.code(), Some(0), "{bits} {extra:?}: {}{}", text(&o.stdout), text(&o.stderr));
        };
        for extra in [
            &[][..],
            &["--stall", "random"],
            &["--stall", "long"],
            &["--protocol"],
            &["--protocol", "--stall", "random"],
        ] {
            if verilator {
                simulate(extra);
            }
        }
        if icarus && bits != 64 {
            let mut make = Command::new("make");
            make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").current_dir(&dir).arg("icarus");
            let o = make.output().unwrap();
            assert!(
                o.status.success() && text(&o.stdout).contains("PASS: 2 samples"),
                "{bits}: {}",
                text(&o.stdout)
            );
        }
    }
}

#[test]
fn inspect_as_json() {
    let o = run(&["inspect", &model("mlperftiny_resnet8_int8_qdq.onnx"), "--json"]);
    let v: serde_json::Value = serde_json::from_slice(&o.stdout).unwrap();
    assert_eq!((o.status.code(), &v["macs"]), (Some(0), &12_501_632.into()));
    assert_eq!(v["layers"][0]["output"], serde_json::json!([16, 32, 32]));
    assert_eq!(v["inputs"][0]["shape"], serde_json::json!([1, 3, 32, 32]));
}

/// What is built for which options: fields of the report, lines of the files.
#[test]
fn targets_and_names() {
    let scratch = tempfile::tempdir().unwrap();
    let lenet = model("mnist_lenet_int8_qdq.onnx");
    let own = scratch.path().join("o2c_ram.onnx");
    std::fs::copy(&lenet, &own).unwrap();
    let own = own.display().to_string();
    let config = scratch.path().join("c.toml");
    std::fs::write(&config, "array = \"2,2,8\"\n").unwrap();
    let config = config.display().to_string();
    let dir = scratch.path().join("out");
    let out = dir.display().to_string();
    let compile = |model: &str, extra: &[&str]| {
        let o = run(&[&["compile", model, "-o", &out, "--samples", "1", "--json"], extra].concat());
        assert_eq!(o.status.code(), Some(0), "{extra:?}: {}", text(&o.stderr));
        serde_json::from_slice::<serde_json::Value>(&o.stdout).unwrap()
    };
    let number = |v: &serde_json::Value| v.as_u64().unwrap();
    let file = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    for (target, multipliers, line) in
        [("ecp5-25k", 28, "--25k"), ("ecp5-45k", 72, "--45k"), ("xc7a35t", 90, "--85k")]
    {
        let v = compile(&lenet, &["--target", target]);
        let used = number(&v["array_multipliers"]) + number(&v["lanes"]) * number(&v["lane_multipliers"]);
        assert!(used <= multipliers && used > multipliers / 3, "{target}: {used} of {multipliers}");
        assert!(file("Makefile").contains(line), "{target}");
        let part = if target == "xc7a35t" { "set part xc7a35tcsg324-1" } else { "set part xc7a100tcsg324-1" };
        assert!(file("constraints/vivado.tcl").contains(part), "{target}");
        assert!(v["memories"].as_array().unwrap().iter().all(|m| number(&m["blocks"]) > 0));
    }
    // The target's kind of multipliers, or the user's.
    for (extra, kind, used) in [
        (&["--target", "generic-lut"][..], "lut", 0),
        (&["--target", "generic", "--multipliers", "packed"], "packed", 8),
        (&["--target", "xc7a35t"], "packed", 8),
        (&["--target", "xc7a35t", "--multipliers", "infer"], "infer", 16),
    ] {
        let v = compile(&lenet, &[extra, &["--array", "2,2,4"]].concat());
        assert_eq!(
            (&v["multiplier_kind"], &v["array_multipliers"]),
            (&kind.into(), &used.into()),
            "{extra:?}"
        );
    }
    // "At most": what can't be built is not tried, and what does not help is not taken.
    assert!(number(&compile(&lenet, &["--macs", "1000000"])["multipliers"]) <= 16_384);
    assert_eq!(compile(&lenet, &["--macs", "1"])["multipliers"], 1);
    assert_eq!(compile(&lenet, &["--config", &config])["array"], serde_json::json!([2, 2, 8]));
    for (model, extra, name) in [
        (&own, &[][..], "n_o2c_ram"),
        (&lenet, &["--name", "o2c_engine"], "n_o2c_engine"),
        (&lenet, &["--name", "module"], "n_module"),
        (&lenet, &["--name", "assert"], "n_assert"),
        (&lenet, &["--name", "tb"], "n_tb"),
        (&lenet, &["--name", "3 a"], "n_3_a"),
    ] {
        assert_eq!(compile(model, extra)["name"], name);
        assert!(dir.join(format!("rtl/{name}.v")).exists());
    }
    // An edit is not lost unasked, and asking for samples that are not there says how to get them.
    std::fs::write(dir.join("rtl/o2c_ram.v"), "// mine\n").unwrap();
    let again = |extra: &[&str]| {
        let o = run(&[&["compile", &lenet, "-o", &out], extra].concat());
        (o.status.code(), text(&o.stdout) + &text(&o.stderr))
    };
    let (status, said) = again(&[]);
    assert!(status == Some(2) && said.contains("rtl/o2c_ram.v in it was changed"), "{said}");
    let (status, said) = again(&["--force"]);
    assert!(status == Some(0) && said.contains("top module mnist_lenet_int8_qdq;"), "{said}");
    for (n, expect) in
        [("0", "--samples is at least 1"), ("99", "holds 3 golden samples, --samples asks for 99")]
    {
        let o = run(&["simulate", &out, "--samples", n]);
        assert!(o.status.code() == Some(2) && text(&o.stderr).contains(expect), "{}", text(&o.stderr));
    }
}

/// A reader that goes away, e.g. `head`, is not a fault.
#[test]
fn a_closed_pipe_is_quiet() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_onnx2chip"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let o = child.wait_with_output().unwrap();
    assert_eq!((o.status.code(), text(&o.stderr).as_str()), (Some(0), ""));
}

#[test]
fn run_counts_recognised_samples() {
    let scratch = tempfile::tempdir().unwrap();
    let y: PathBuf = scratch.path().join("y.npy");
    let (lenet, x) = (model("mnist_lenet_int8_qdq.onnx"), model("digits_drawn16.npy"));
    let (labels, out) = (model("digits_drawn16_labels.npy"), y.display().to_string());
    let o = run(&["run", &lenet, "--input", &x, "--labels", &labels, "--output", &out, "--json"]);
    let v: serde_json::Value = serde_json::from_slice(&o.stdout).unwrap();
    assert_eq!(v["top1"], serde_json::json!({"correct": 16, "of": 16}));
    assert_eq!(v["written"][0]["shape"], serde_json::json!([16, 10]));
    assert!(std::fs::read(&y).unwrap().starts_with(b"\x93NUMPY"));
}

fn tree(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut out = std::collections::BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(d) = todo.pop() {
        for e in std::fs::read_dir(&d).unwrap().map(|e| e.unwrap().path()) {
            if e.is_dir() {
                todo.push(e);
            } else {
                out.insert(e.strip_prefix(dir).unwrap().to_path_buf(), std::fs::read(&e).unwrap());
            }
        }
    }
    out
}

/// A model becomes a folder, twice the same; its Verilog is golden in every stage; a changed weight is found.
#[test]
fn compile_and_simulate() {
    if !std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|d| d.join("verilator").exists())
    {
        println!("skipped: verilator is not installed");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    let (lenet, x) = (model("mnist_lenet_int8_qdq.onnx"), model("digits_drawn16.npy"));
    // Any name may be in the path, for `make` and Verilator too.
    for out in ["a b", "b"] {
        let (out, config) = (path(out), path("c.toml"));
        std::fs::write(&config, "array = [2, 2, 4]\nsamples = 2\nmem_format = [\"coe\"]\n").unwrap();
        let o = run(&["compile", &lenet, "-o", &out, "--input", &x, "--config", &config, "--json"]);
        assert_eq!(o.status.code(), Some(0), "{}", text(&o.stderr));
        let v: serde_json::Value = serde_json::from_slice(&o.stdout).unwrap();
        assert_eq!((&v["samples"], &v["multipliers"]), (&2.into(), &16.into()));
    }
    let a = scratch.path().join("a b");
    assert!(tree(&a) == tree(&scratch.path().join("b")), "two compilations differ");
    assert!(a.join("mem/weights.coe").exists());

    let simulate = |extra: &[&str]| {
        let dir = a.display().to_string();
        let o = run(&[&["simulate", &dir, "--json"], extra].concat());
        let v: serde_json::Value = serde_json::from_slice(&o.stdout).unwrap_or_default();
        (o.status.code(), v, text(&o.stderr))
    };
    let (status, v, stderr) = simulate(&[]);
    assert_eq!((status, &v["samples"], &v["mismatches"]), (Some(0), &2.into(), &0.into()), "{stderr}");
    assert!(v["first_mismatch"].is_null());
    assert_eq!(v["cycles"]["predicted"], v["cycles"]["measured"]);
    let layers = v["layers"].as_array().unwrap();
    for l in layers {
        assert_eq!(l["cycles_predicted"], l["cycles_measured"], "{l}");
        assert!(l["name"].is_string() && l["op"].is_string() && l["macs"].is_u64() && l["mismatches"] == 0);
    }
    let sum: u64 = layers.iter().filter_map(|l| l["cycles_measured"].as_u64()).sum();
    assert_eq!(v["cycles"]["measured"], sum);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(a.join("report.json")).unwrap()).unwrap();
    assert_eq!(report["cycles"]["measured"], sum);

    // The model is built once; stalls change nothing but the transfers.
    let built = || std::fs::metadata(a.join("build/sim/Vtop")).unwrap().modified().unwrap();
    let before = built();
    for stall in ["random", "long"] {
        let (status, v, stderr) = simulate(&["--stall", stall]);
        assert_eq!(
            (status, &v["mismatches"], &v["cycles"]["measured"]),
            (Some(0), &0.into(), &sum.into()),
            "{stderr}"
        );
    }
    for stall in ["none", "random"] {
        let (status, v, stderr) = simulate(&["--protocol", "--stall", stall]);
        assert_eq!((status, &v["failures"]), (Some(0), &serde_json::json!([])), "{stderr}");
        assert_eq!(v["stall"], stall);
        let checks: u64 = v["results"].as_array().unwrap().iter().filter_map(|t| t["checks"].as_u64()).sum();
        assert_eq!(v["checks"], checks);
    }
    let o = run(&["simulate", &a.display().to_string(), "--protocol"]);
    assert!(text(&o.stdout).contains("short packet "), "{}", text(&o.stdout));
    assert_eq!(built(), before);

    // One changed digit of one weight.
    let weights = a.join("mem/weights.hex");
    let golden = std::fs::read_to_string(&weights).unwrap();
    let changed = if golden.starts_with('1') { "2" } else { "1" };
    std::fs::write(&weights, format!("{changed}{}", &golden[1..])).unwrap();
    let (status, v, stderr) = simulate(&["--samples", "1"]);
    assert_eq!(status, Some(1));
    assert!(stderr.contains("mem/weights.hex is not as onnx2chip wrote it"), "{stderr}");
    let first = &v["first_mismatch"];
    assert_eq!(first["layer"], layers[0]["name"]);
    for field in ["index", "expected", "got", "cycle"] {
        assert!(first[field].is_i64(), "{field}");
    }

    // A memory that the simulator can't read says so; a waveform that can't be written does too, before anything runs.
    std::fs::write(&weights, "xyz\n").unwrap();
    let (status, _, stderr) = simulate(&[]);
    assert!(status == Some(3) && stderr.contains("syntax error"), "{stderr}");
    std::fs::write(&weights, &golden).unwrap();
    let (status, _, stderr) = simulate(&["--trace", "no/such/folder/x.fst"]);
    let d: serde_json::Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!((status, d["code"].as_str()), (Some(2), Some("O2C0002")));

    // When the engine stops, the first value missing is the first in time; bytes of the stream have the model's type.
    let bench = |extra: &[&str]| {
        let o = Command::new("build/sim/Vtop").current_dir(&a).args(extra).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&o.stdout).unwrap()
    };
    // The third layer pauses for long after its first unit.
    let descriptors = a.join("mem/descriptors.hex");
    let before = std::fs::read_to_string(&descriptors).unwrap();
    let gap = 2 * onnx2chip::hw::descriptor::WORDS + 5;
    let pause = |(i, line): (usize, &str)| {
        if i == gap { format!("{}ffff\n", &line[..4]) } else { format!("{line}\n") }
    };
    std::fs::write(&descriptors, before.lines().enumerate().map(pause).collect::<String>()).unwrap();
    let stopped = bench(&["--watchdog", "1000"]);
    let first = &stopped["first_mismatch"];
    assert!(first["got"].is_null() && first["sample"] == 0, "{first}");
    assert_eq!(first["layer"], layers[2]["name"], "{first}");
    std::fs::write(&descriptors, before).unwrap();
    let path = a.join("vectors/output.npy");
    let output = std::fs::read(&path).unwrap();
    let mut bytes = output.clone();
    let (last, right) = (bytes.len() - 1, bytes[bytes.len() - 1]);
    bytes[last] = if right == 0xfd { 0xfc } else { 0xfd };
    std::fs::write(&path, &bytes).unwrap();
    let first = &bench(&[])["first_mismatch"];
    let signed = |b: u8| i8::from_le_bytes([b]);
    assert_eq!((&first["stage"], &first["expected"]), (&"stream".into(), &signed(bytes[last]).into()));
    assert_eq!(first["got"], signed(right));
    std::fs::write(&path, output).unwrap();

    // A memory that is gone, and tools that are.
    std::fs::remove_file(&weights).unwrap();
    assert_eq!(simulate(&[]).0, Some(2));
    std::fs::write(&weights, golden).unwrap();
    let o = Command::new(env!("CARGO_BIN_EXE_onnx2chip"))
        .args([&"simulate".as_ref(), &a.as_os_str()])
        .env("PATH", "")
        .output()
        .unwrap();
    assert_eq!(o.status.code(), Some(3));
    assert!(text(&o.stderr).contains("error[O2C0601]"));

    // A Verilator that fails.
    let tools = scratch.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    std::fs::write(tools.join("verilator"), "#!/bin/sh\necho broken >&2\nexit 9\n").unwrap();
    std::fs::set_permissions(tools.join("verilator"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    std::fs::remove_dir_all(a.join("build")).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let o = Command::new(env!("CARGO_BIN_EXE_onnx2chip"))
        .args([&"simulate".as_ref(), &a.as_os_str()])
        .env("PATH", path)
        .output()
        .unwrap();
    let stderr = text(&o.stderr);
    assert!(stderr.contains("error[O2C0602]") && stderr.contains("broken"), "{stderr}");
    assert_eq!(o.status.code(), Some(3));
}

/// The last operator in hardware: what is sent, what is left for the host; and all of it on the host.
#[test]
fn heads() {
    let scratch = tempfile::tempdir().unwrap();
    let verilator = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|d| d.join("verilator").exists());
    for (name, unit, bytes, raw) in [("argmax", "ArgMax", 40, 380), ("softmax", "Softmax", 100, 100)] {
        let onnx = root().join(format!("testbench/mutants/{name}.onnx")).display().to_string();
        let out = scratch.path().join(name).display().to_string();
        let compile = |extra: &[&str]| -> serde_json::Value {
            let o = run(&[&["compile", &onnx, "-o", &out, "--array", "2,2,4", "--json"], extra].concat());
            assert_eq!(o.status.code(), Some(0), "{}", text(&o.stderr));
            serde_json::from_slice(&o.stdout).unwrap()
        };
        let host = compile(&["--heads", "host"]);
        assert!(host["output"]["tensors"][0]["head"].is_null());
        assert_eq!(host["output"]["bytes"], raw);
        let hardware = compile(&[]);
        assert_eq!(
            (&hardware["output"]["tensors"][0]["head"]["unit"], &hardware["output"]["bytes"]),
            (&unit.into(), &bytes.into())
        );
        assert_eq!(hardware["cycles"], host["cycles"]);
        let steps = |v: &serde_json::Value| v["host_after"].to_string();
        assert!(steps(&host).contains(if unit == "Softmax" { "Softmax" } else { "TopK" }));
        assert!(!steps(&hardware).contains("Softmax") && !steps(&hardware).contains("TopK"));
        for stall in ["none", "random"].into_iter().filter(|_| verilator) {
            let o = run(&["simulate", &out, "--stall", stall, "--json"]);
            let v: serde_json::Value = serde_json::from_slice(&o.stdout).unwrap();
            assert_eq!(
                (&v["mismatches"], &v["faults"]),
                (&0.into(), &serde_json::json!([])),
                "{}",
                text(&o.stderr)
            );
            assert_eq!(v["cycles"]["predicted"], v["cycles"]["measured"]);
        }
    }
}
