//! Random networks on random arrays, simulated: every stage of every layer equals the executor's, every layer takes
//! the predicted cycles in every sample, with and without stalls on the buses.
//!
//! `O2C_RANDOM` networks are tried, beginning with seed `O2C_RANDOM_SEED`; a failing one is named by its seed.
//! Skipped with a note where Verilator or Icarus is not installed.
#![allow(missing_docs, reason = "a test")]

use std::path::Path;
use std::process::Command;

use onnx2chip::design::Multipliers;
use onnx2chip::diag::Result;
use onnx2chip::emit::folder;
use onnx2chip::exec::Executor;
use onnx2chip::graph::int::{IntGraph, IntOp};
use onnx2chip::plan::{Wish, external};
use onnx2chip::quant::RescaleMode;
use onnx2chip::{self as o2c, Compiled, Options, Source, targets};

mod random;

use random::{Profile, Rng, number};

const PROFILE: Profile = Profile { nodes: (10, 20), macs: 40_000, beyond: true, tall: false };

/// Pixels, channels, outputs.
const ARRAYS: [[usize; 3]; 18] = [
    [2, 4, 8],
    [4, 4, 16],
    [8, 4, 32],
    [1, 1, 1],
    [1, 4, 4],
    [2, 2, 16],
    [4, 8, 2],
    [8, 2, 4],
    [4, 1, 8],
    [2, 16, 16],
    [16, 1, 1],
    [1, 8, 32],
    [16, 4, 2],
    [1, 1, 16],
    [1, 16, 16],
    [2, 8, 16],
    [4, 2, 8],
    [16, 1, 32],
];

/// Designs small enough for the suite; `make props` asks for more.
const DESIGNS: u64 = 5;
const SAMPLES: usize = 3;

/// As in the folder's Makefile, for small designs: compiling them takes longer than running them.
const VFLAGS: &str = concat!(
    "VFLAGS=--cc --exe --build --prefix Vtop --top-module $(TOP) -O3 --x-assign fast --x-initial fast --noassert",
    " -Wno-fatal -Wno-lint -Wno-style -CFLAGS \"-std=c++17\" -j 2",
    " -MAKEFLAGS \"OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O1 OBJCACHE=$(shell command -v ccache)\"",
);

fn installed(tool: &str) -> bool {
    let found =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|d| d.join(tool).exists());
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// Bits of the streams for a seed: narrower than a pixel, and wider.
fn stream_bits(seed: u64) -> usize {
    8 << (seed % 5)
}

/// What the multipliers are for a seed: every kind on every array in the end.
fn multipliers(seed: u64, array: [usize; 3]) -> Wish {
    let kinds = [Multipliers::Infer, Multipliers::Lut, Multipliers::Packed];
    let kind = kinds[usize::try_from(seed / 2 + seed / 18).unwrap() % kinds.len()];
    if array[2] > 1 { Wish::User(kind) } else { Wish::Target(kind) }
}

fn compile(graph: IntGraph, array: [usize; 3], lanes: Option<usize>, seed: u64) -> Result<Compiled> {
    let external = None;
    compile_on(graph, array, lanes, seed, multipliers(seed, array), external)
}

fn compile_on(
    graph: IntGraph,
    array: [usize; 3],
    lanes: Option<usize>,
    seed: u64,
    multipliers: Wish,
    external: Option<external::Options>,
) -> Result<Compiled> {
    let source = Source { file: "random.onnx".into(), sha256: "0".repeat(64), graph };
    let target = targets::find("generic")?;
    let (rescale, heads) = (RescaleMode::Proved, o2c::Heads::Hardware);
    let stream_bits = stream_bits(seed);
    let options = Options {
        array,
        macs: None,
        lanes,
        stream_bits,
        external,
        target,
        multipliers,
        name: None,
        rescale,
        heads,
    };
    o2c::compile(source, &options)
}

fn describe(graph: &IntGraph) -> String {
    graph.ids().into_iter().fold(String::new(), |mut text, id| {
        let node = graph.node(id);
        let shape = node.outputs.first().map(|v| v.fact.shape);
        let window = match &node.op {
            IntOp::Conv(c) => Some(c.window),
            IntOp::MaxPool(p) => Some(p.window),
            IntOp::AveragePool(p) => Some(p.window),
            IntOp::Input(_)
            | IntOp::Output(_)
            | IntOp::Add(_)
            | IntOp::Product(_)
            | IntOp::Table(_)
            | IntOp::Select(_)
            | IntOp::Concat(_) => None,
        };
        let from: Vec<u32> = graph.inputs(id).iter().map(|p| p.node.0).collect();
        text += &format!("{} {} of {from:?}: {shape:?} {window:?}\n", id.0, node.name);
        text
    })
}

/// What the compiler does behind the integer graph.
fn prepare(graph: &mut IntGraph) {
    o2c::passes::split_multiplier::run(graph);
    o2c::passes::own_memory::run(graph);
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let o = command.output().unwrap();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (o.status.code(), text(&o.stdout), text(&o.stderr))
}

/// Simulates the folder's samples; what is wrong, or the number of values compared.
fn simulate(dir: &Path, stall: &str, seed: u64) -> std::result::Result<u64, String> {
    let mut model = Command::new(dir.join("build/sim/Vtop"));
    model.current_dir(dir).args(["--stall", stall, "--seed", &seed.to_string()]);
    let (status, stdout, stderr) = run(&mut model);
    if status != Some(0) {
        return Err(format!("--stall {stall}: {status:?}\n{stderr}\n{stdout}"));
    }
    let v: serde_json::Value = serde_json::from_str(&stdout).map_err(|e| e.to_string())?;
    let layers = v["layers"].as_array().ok_or("no layers")?;
    for l in layers {
        if l["cycles_predicted"] != l["cycles_measured"] || l["mismatches"] != 0 {
            return Err(format!("--stall {stall}: {l}"));
        }
    }
    if v["mismatches"] != 0 || v["faults"] != serde_json::json!([]) || v["samples"] != SAMPLES {
        return Err(format!("--stall {stall}: {stdout}"));
    }
    v["values_compared"].as_u64().filter(|n| *n > 0).ok_or_else(|| "nothing was compared".into())
}

/// One seed: a network on an array with a number of lanes. Layers and values compared.
fn network(seed: u64) -> std::result::Result<(usize, u64), String> {
    let mut graph = random::graph(seed, PROFILE);
    prepare(&mut graph);
    let mut rng = Rng(seed);
    let array = ARRAYS[usize::try_from(seed).unwrap() % ARRAYS.len()];
    let group = array[2].min(array[0] * array[1]);
    let lanes = rng.pick(&[None, Some(1 << rng.clone().size(0, group.ilog2() as usize))]);
    let kind = multipliers(seed, array);
    let what = format!("seed {seed}, array {array:?}, lanes {lanes:?}, {kind:?}");
    let fail = |cause: String| Err(format!("{what}: {cause}\n{}", describe(&graph)));
    let compiled = match compile(graph.clone(), array, lanes, seed) {
        Ok(compiled) => compiled,
        Err(faults) => return fail(format!("{faults:?}")),
    };
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("design");
    let written = o2c::hand_off(&compiled, &random::inputs(&graph, seed, SAMPLES), &[])
        .and_then(|files| folder::write(&dir, &files));
    if let Err(faults) = written {
        return fail(format!("{faults:?}"));
    }
    let (status, _, stderr) =
        run(Command::new("make").arg("-C").arg(&dir).args([VFLAGS, "build", "--silent"]));
    if status != Some(0) {
        return fail(stderr);
    }
    let mut values = 0;
    for stall in ["none", "random", "long"] {
        match simulate(&dir, stall, seed) {
            Ok(n) => values += n,
            Err(cause) => return fail(cause),
        }
    }
    Ok((compiled.design.layers.len(), values))
}

/// Runs the networks of a share of the seeds, all of them whatever fails.
fn share(part: u64, parts: u64) {
    if !installed("verilator") {
        return;
    }
    let (first, count) = (number("O2C_RANDOM_SEED", 0), number("O2C_RANDOM", DESIGNS));
    let mut failed = Vec::new();
    let (mut layers, mut values) = (0, 0);
    for seed in (first..first + count).filter(|s| s % parts == part) {
        match network(seed) {
            Ok((l, v)) => (layers, values) = (layers + l, values + v),
            Err(cause) => {
                eprintln!("{cause}\n");
                failed.push(seed);
            }
        }
    }
    eprintln!("{layers} layers, {values} values compared");
    assert_eq!(failed, Vec::<u64>::new());
}

#[test]
fn even_networks_equal_the_executor() {
    share(0, 2);
}

#[test]
fn odd_networks_equal_the_executor() {
    share(1, 2);
}

/// The least bytes on the chip that a refusal names.
fn least(faults: &onnx2chip::diag::Diagnostics) -> usize {
    let cause = &faults.0[0].cause;
    let (_, rest) = cause.split_once("divided need ").unwrap_or_else(|| panic!("{faults:?}"));
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn external_memory() {
    if !installed("verilator") || !installed("iverilog") {
        return;
    }
    // Seed, array, bits of the bus, bursts, how many under way, quarters of what lies between the least and everything.
    let mut seen = [0; 4];
    let fixed = [(7, [2, 2, 4], 32, 4, 2, 0), (5, [4, 4, 16], 128, 16, 4, 1), (1302, [4, 8, 2], 32, 4, 2, 0)];
    let (first, count) = (number("O2C_RANDOM_SEED", 0), number("O2C_EXTERNAL", 0));
    let more = (first..first + count).map(|seed| {
        let mut rng = Rng(seed + 77);
        let bus = rng.pick(&[32, 64, 128, 256]);
        let array = ARRAYS[usize::try_from(seed).unwrap() % ARRAYS.len()];
        (seed, array, bus, 1 << rng.size(0, 6), rng.size(1, 8), rng.pick(&[0, 0, 1, 2]))
    });
    for (seed, array, bus_bits, burst, outstanding, quarters) in fixed.into_iter().chain(more) {
        // Every second one has tall maps.
        let profile = if seed % 2 == 0 {
            Profile { nodes: (5, 9), macs: 200_000, tall: true, ..PROFILE }
        } else {
            Profile { nodes: (5, 8), macs: 20_000, ..PROFILE }
        };
        let mut graph = random::graph(seed, profile);
        prepare(&mut graph);
        // Icarus simulates some of them, and takes long for multipliers in LUTs.
        let plain = Wish::Target(Multipliers::Infer);
        let within = |on_chip| {
            let external = external::Options { on_chip, bus_bits, burst, outstanding, latency: 20 };
            compile_on(graph.clone(), array, None, seed, plain, Some(external))
        };
        // The least that is said to do, and more.
        let least = least(&within(1).unwrap_err());
        // Budgets are not monotone: a little less may do in another way.
        assert!(within(least - least / 10).is_err());
        let all: usize = compile_on(graph.clone(), array, None, seed, plain, None)
            .unwrap()
            .design
            .memory_shapes()
            .map(|m| m.width * m.depth)
            .sum();
        let budget = least + (all / 8).saturating_sub(least) * quarters / 4;
        let compiled = within(budget).unwrap();
        let used: usize = compiled.design.memory_shapes().map(|m| m.width * m.depth).sum();
        assert!(used <= 8 * budget, "{used} of {}", 8 * budget);
        // Descriptors and commands may be worth more than what they move.
        let Some(external) = &compiled.design.external else { continue };
        let ring = |name| usize::from(compiled.design.value(name) > 0);
        eprintln!(
            "seed {seed} {array:?} {bus_bits} {burst} {outstanding} {quarters}: {} {} {}",
            ring("HAS_RING"),
            ring("IN_RING"),
            external.spill_bytes
        );
        for (count, seen) in
            seen.iter_mut().zip([1, ring("HAS_RING"), ring("IN_RING"), usize::from(external.spill_bytes > 0)])
        {
            *count += seen;
        }
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("design");
        let files = o2c::hand_off(&compiled, &random::inputs(&graph, seed, SAMPLES), &[]).unwrap();
        folder::write(&dir, &files).unwrap();
        let make = |target: &[&str]| {
            let (status, stdout, stderr) =
                run(Command::new("make").arg("-C").arg(&dir).arg(VFLAGS).args(target));
            assert_eq!(status, Some(0), "{target:?}: {stdout}{stderr}");
        };
        make(&["build", "--silent"]);
        for options in [
            &[][..],
            &["--mem-latency", "1"],
            &["--mem-bandwidth", "30", "--mem-latency", "200"],
            &["--mem-stall", "random", "--stall", "random"],
            &["--mem-stall", "long", "--stall", "long"],
            &["--protocol"],
            &["--protocol", "--mem-stall", "random", "--stall", "random"],
        ] {
            let (status, stdout, stderr) =
                run(Command::new(dir.join("build/sim/Vtop")).current_dir(&dir).args(options));
            assert_eq!(status, Some(0), "seed {seed} {options:?}: {stderr}{stdout}");
        }
        make(&["lint"]);
        make(&["icarus"]);
    }
    eprintln!(
        "{} designs with external memory, {} with rings, {} of the input, {} that spill",
        seen[0], seen[1], seen[2], seen[3]
    );
    assert!(seen[0] >= 3 && seen.iter().all(|&count| count > 0), "{seen:?}");
}

/// Convolutions with a channel multiplier give the same as those that they become.
#[test]
fn split_multipliers_change_no_output() {
    let mut split = 0;
    for seed in 0..2000 {
        let graph = random::graph(seed, PROFILE);
        let mut changed = graph.clone();
        prepare(&mut changed);
        let names = |g: &IntGraph| -> Vec<String> {
            g.ids().into_iter().map(|id| g.node(id).name.clone()).filter(|n| n.ends_with("_parts")).collect()
        };
        if names(&changed).is_empty() {
            continue;
        }
        split += names(&changed).len();
        let inputs = random::inputs(&graph, seed, SAMPLES);
        let outputs = [&graph, &changed].map(|g| Executor::new(g).unwrap().run(&inputs).unwrap());
        assert_eq!(outputs[0], outputs[1], "seed {seed}\n{}", describe(&changed));
    }
    eprintln!("{split} convolutions");
    assert!(split >= 20);
}

/// The plain Verilog testbench of a folder, which needs no C++.
#[test]
fn icarus_agrees() {
    if !installed("iverilog") {
        return;
    }
    let mut graph = random::graph(3, Profile { nodes: (3, 3), macs: 2000, ..PROFILE });
    prepare(&mut graph);
    let compiled = compile(graph.clone(), [2, 2, 4], None, 7).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("design");
    folder::write(&dir, &o2c::hand_off(&compiled, &random::inputs(&graph, 3, 2), &[]).unwrap()).unwrap();
    let (status, stdout, stderr) = run(Command::new("make").arg("-C").arg(&dir).arg("icarus"));
    assert_eq!(status, Some(0), "{stdout}{stderr}");
}
