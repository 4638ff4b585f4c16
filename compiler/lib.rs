//! onnx2chip compiles a quantized ONNX network into a verified, synthesizable Verilog accelerator.
//!
//! Stages are types: `onnx::Model -> Graph<Float> -> Graph<Int> -> Plan -> Checked<Design> -> Files`.
//! See `docs/architecture.md` for the invariants. The three functions below are the whole pipeline.

pub mod arith;
pub mod design;
pub mod diag;
pub mod emit;
pub mod exec;
pub mod graph;
pub mod hw;
pub mod onnx;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod quant;
pub mod reference;
mod search;
pub mod targets;

use std::path::Path;

use diag::{Diagnostics, Result};

/// A model that was read: its integer graph, and what identifies the file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name without its folder.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
    /// The canonical integer graph.
    pub graph: graph::int::IntGraph,
}

/// Reads an ONNX file and brings it into integer form.
///
/// # Errors
/// Every reason why the file or the network is refused.
pub fn load(path: &Path) -> Result<Source> {
    load_declared(path, &[])
}

/// The same with data types of float inputs, `NAME=TYPE` or `NAME=TYPE:SCALE`: that they hold integers times a scale.
///
/// # Errors
/// Every reason why the file, the network or a type is refused.
pub fn load_declared(path: &Path, types: &[String]) -> Result<Source> {
    let mut model = onnx::read(path)?;
    model.declare(types)?;
    let graph = passes::compile_front(&model)?;
    let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    Ok(Source { file, sha256: emit::file_digest(path)?, graph })
}

/// Pixels, channels, outputs at once where nothing else is asked for.
pub const DEFAULT_ARRAY: [usize; 3] = [4, 4, 16];

/// Bits of the streams where nothing else is asked for.
pub const DEFAULT_STREAM_BITS: usize = 32;

/// What is planned for where nothing else is asked for.
const DEFAULT_PLAN: plan::Options = plan::Options {
    array: DEFAULT_ARRAY,
    lanes: None,
    stream_bits: DEFAULT_STREAM_BITS,
    external: None,
    multipliers: plan::Wish::Target(design::Multipliers::Infer),
};

/// What to build.
#[derive(Clone, Debug)]
pub struct Options {
    /// Pixels, channels, outputs at once; ignored with `macs`.
    pub array: [usize; 3],
    /// Search the fastest array with at most this many products a cycle that fits the target.
    pub macs: Option<usize>,
    /// Requantize lanes; `None` for the planner's choice.
    pub lanes: Option<usize>,
    /// Data bits of both AXI4-Streams: a power of two from 8 to 512.
    pub stream_bits: usize,
    /// Where weights and parameters are, if not all on the chip.
    pub external: Option<plan::external::Options>,
    /// The device.
    pub target: &'static targets::Target,
    /// What the array's multipliers are.
    pub multipliers: plan::Wish,
    /// The top module's name; `None` for the model file's.
    pub name: Option<String>,
    /// How accumulators become bytes.
    pub rescale: quant::RescaleMode,
    /// Who computes ArgMax, TopK of one element and a quantized Softmax behind the last layer.
    pub heads: Heads,
}

/// Where the operators behind the last layer run, if there is hardware for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heads {
    /// On the accelerator.
    #[default]
    Hardware,
    /// On the host, as all others.
    Host,
}

/// A network that became a design.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it was made from.
    pub source: Source,
    /// The integer form of every layer, with its proof.
    pub quantized: quant::Quantized,
    /// The netlist as data.
    pub design: design::Checked<design::Design>,
    /// The device.
    pub target: &'static targets::Target,
    /// How accumulators become bytes.
    pub rescale: quant::RescaleMode,
}

/// Proves, plans and checks.
///
/// # Errors
/// Every reason why the network can't be built as asked.
pub fn compile(mut source: Source, options: &Options) -> Result<Compiled> {
    if options.heads == Heads::Hardware {
        passes::heads::run(&mut source.graph);
    }
    let quantized = solve(&source.graph, options.rescale)?;
    let name = options.name.clone().unwrap_or_else(|| stem(&source.file));
    let Options { lanes, target, stream_bits, external, multipliers, .. } = *options;
    let searched = |macs| {
        let wanted = search::Wanted { macs, lanes, target, name: &name, stream_bits, external, multipliers };
        search::fastest(&source.graph, &quantized, &wanted)
    };
    let design = match options.macs {
        Some(macs) => searched(macs)?,
        None => {
            let shape = plan::Options { array: options.array, lanes, stream_bits, external, multipliers };
            let design = plan::plan(&source.graph, &quantized, &shape)?.design(&name)?;
            let most = target.products(multipliers.kind()).unwrap_or(target.multipliers);
            target.check(&design).map_err(|faults| with_fitting(faults, searched(most)))?;
            design
        }
    };
    Ok(Compiled { source, quantized, design, target, rescale: options.rescale })
}

/// The proofs, or everything that is at fault: where a proof fails, what the planner would refuse as well.
fn solve(graph: &graph::int::IntGraph, rescale: quant::RescaleMode) -> Result<quant::Quantized> {
    quant::solve(graph, rescale).map_err(|Diagnostics(mut faults)| {
        // Its structure can be planned without proofs.
        if let Err(Diagnostics(more)) = plan::plan(graph, &quant::Quantized::default(), &DEFAULT_PLAN) {
            faults.extend(more);
        }
        Diagnostics(faults)
    })
}

/// A refusal by the target, with the array that would fit as its remedy.
fn with_fitting(
    Diagnostics(faults): Diagnostics,
    fitting: Result<design::Checked<design::Design>>,
) -> Diagnostics {
    let Ok(design) = fitting else { return Diagnostics(faults) };
    let [p, c, k] = design.array;
    let remedy = format!(
        "--array {p},{c},{k} --lanes {} fits ({} multipliers, {} cycles), and is what is built without --array",
        design.lanes,
        design.hardware_multipliers(),
        design.cycles
    );
    Diagnostics(faults.into_iter().map(|d| d.remedy(remedy.clone())).collect())
}

/// What a model is, with everything that [`compile`] refuses on the default array.
pub fn inspect(model: &onnx::model::Model) -> passes::Inspection {
    let (mut found, graph) = passes::inspect::with_graph(model);
    let Some(graph) = graph else { return found };
    let planned = solve(&graph, quant::RescaleMode::Proved)
        .and_then(|quantized| plan::plan(&graph, &quantized, &DEFAULT_PLAN)?.design("inspected").map(drop));
    if let Err(Diagnostics(faults)) = planned {
        found.refusals.extend(faults);
    }
    found
}

/// Every file of the hand-off folder, with golden vectors for the inputs (samples on the first axis).
///
/// # Errors
/// O2C0500 if the inputs do not fit the model.
pub fn hand_off(
    compiled: &Compiled,
    inputs: &[exec::Data],
    formats: &[emit::MemFormat],
) -> Result<emit::Files> {
    let Compiled { source, quantized, design, target, rescale } = compiled;
    let (host_before, host_after) = emit::host_steps(&source.graph);
    let facts = emit::Facts {
        model: source.file.clone(),
        model_sha256: source.sha256.clone(),
        target: emit::Device {
            name: target.name.into(),
            family: target.family.name().into(),
            part: target.part.into(),
            block: target.family.block().0.into(),
            blocks: target.blocks,
            memory_blocks: design.memory_shapes().filter_map(|m| target.blocks_of(&m)).collect(),
            multipliers: target.multipliers,
        },
        rescale: match *rescale {
            quant::RescaleMode::Proved => emit::Rescale::Exact,
            quant::RescaleMode::Fixed { swl, sfl } => emit::Rescale::Fixed { swl, sfl },
        },
        clock_mhz: target.clock_mhz,
        host_before,
        host_after,
        layers: emit::layer_facts(design, quantized)?,
    };
    let vectors = emit::vectors(design, &source.graph, quantized, inputs)?;
    emit::files(&emit::Package { design, facts: &facts, vectors: &vectors, formats })
}

/// A file's name without its ending.
fn stem(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::code;
    use crate::graph::parse::parse;

    /// Everything that `compile` would refuse, whichever stage finds it.
    #[test]
    fn inspection_lists_what_all_stages_refuse() {
        let conv = |name: &str, group: usize| {
            format!(
                "{name} = QLinearConv(x, f32 0.5, u8 10, i8[4,{},1,1] 2, f32 0.25, i8 0, f32 0.5, u8 20) name=\"{name}\" group={group}\n",
                4 / group
            )
        };
        let check = |text: String, expect: &[(diag::Code, Option<&str>)]| {
            let found = inspect(&parse(&text).expect("text"));
            let got: Vec<_> = found.refusals.iter().map(|d| (d.code, d.node.as_deref())).collect();
            assert_eq!(got, expect, "{text}");
        };
        let x = "input x: u8[1,4,4,4]\n";
        check(format!("{x}{}output a: u8", conv("a", 1)), &[]);
        check(format!("{x}{}{}output a: u8\noutput b: u8", conv("a", 4), conv("b", 2)), &[]);
        let outputs = |n| {
            let names: Vec<String> = (0..n).map(|i| format!("o{i}")).collect();
            let convs: String = names.iter().map(|name| conv(name, 4)).collect();
            convs + &names.iter().map(|name| format!("output {name}: u8\n")).collect::<String>()
        };
        check(format!("{x}{}", outputs(256)), &[(code::INPUT_UNSUPPORTED, None)]);
        // A proof that fails hides nothing of the planner's.
        let overflow = "b = QLinearConv(x, f32 0.5, u8 10, i8[4,4,1,1] 2, f32 0.25, i8 0, f32 0.5, u8 20, i32[4] 2147483647) name=\"b\"\n";
        check(
            format!("{x}{overflow}output b: u8\n{}", outputs(255)),
            &[(code::ACCUMULATOR_OVERFLOW, Some("node \"b\" (Conv)")), (code::INPUT_UNSUPPORTED, None)],
        );
    }

    /// The folder of a model's text, with a sample of seeded input.
    fn folder(text: &str) -> (Compiled, emit::Files) {
        let graph = passes::compile_front(&parse(text).expect("text")).expect("graph");
        let source = Source { file: "m.onnx".into(), sha256: String::new(), graph };
        let target = targets::find("generic").expect("target");
        let rescale = quant::RescaleMode::Proved;
        let options = Options {
            external: None,
            array: [1, 1, 1],
            macs: None,
            lanes: None,
            stream_bits: DEFAULT_STREAM_BITS,
            multipliers: plan::Wish::Target(target.array),
            target,
            name: None,
            rescale,
            heads: Heads::Hardware,
        };
        let compiled = compile(source, &options).expect("design");
        let inputs = emit::random_inputs(&compiled.source.graph, 1, 1).expect("inputs");
        let files = hand_off(&compiled, &inputs, &[]).expect("files");
        (compiled, files)
    }

    /// A model with channels last: the wire has its order, and the folder says so.
    #[test]
    fn a_layout_change_is_in_the_folder() {
        let (_, files) = folder(
            "input x: u8[1,2,2,3]\nt = Transpose(x) perm=[0,3,1,2]\n\
            a = QLinearConv(t, f32 0.5, u8 10, i8[4,3,1,1] 2, f32 0.25, i8 0, f32 0.5, u8 20) name=\"a\"\noutput a: u8",
        );
        let order = exec::npy::parse(files.get("vectors/input_order.npy").expect("order")).expect("array");
        assert_eq!(
            order,
            exec::Data::I64(ndarray::ArrayD::from_shape_vec(vec![12], (0..12).collect()).expect("12"))
        );
        assert!(files.get("vectors/output_order.npy").is_none());
    }

    /// Float operators before the first integers: what the wire carries is behind them, and a long constant is a file.
    /// Several outputs of one tensor have a file each.
    #[test]
    fn host_steps_are_in_the_folder() {
        let (compiled, files) = folder(
            "input x: f32[1,2,3,3]\nt = Sub(x, f32[2,3,3] 7.25)\nu = Mul(t, f32 0.5)\n\
            q = QuantizeLinear(u, f32 0.5, u8 10)\n\
            a = QLinearConv(q, f32 0.5, u8 10, i8[4,2,1,1] 2, f32 0.25, i8 0, f32 0.5, u8 20) name=\"a\"\n\
            v, i = TopK(a, i64[1] 2) axis=1\noutput v: u8\noutput i: i64",
        );
        let array =
            |name: &str| exec::npy::parse(files.get(name).unwrap_or_else(|| panic!("{name}"))).expect("npy");
        let (x, wire) = (array("vectors/host_input.npy"), array("vectors/input.npy"));
        let (x, wire) = (x.to_f64(), wire.to_f64());
        assert_eq!(x.len(), wire.len());
        for (at, byte) in wire.iter().enumerate() {
            // On the wire: row, column, channel.
            let real = (x[at % 2 * 9 + at / 2] - 7.25) * 0.5;
            let expect = ((real / 0.5).round_ties_even() + 10.0).clamp(0.0, 255.0);
            assert_eq!(*byte, expect, "byte {at}");
        }
        // Test inputs reach far into the bytes' range.
        let (least, most) = wire.iter().fold((255.0_f64, 0.0_f64), |(a, b), v| (a.min(*v), b.max(*v)));
        assert!(most - least > 100.0, "{least} to {most}");
        assert_eq!(array("vectors/host_constant_0.npy").to_f64(), [7.25; 18]);
        assert_eq!(array("vectors/host_output_0.npy").shape(), [1, 2, 3, 3]);
        assert_eq!(array("vectors/host_output_1.npy").type_name(), "int64");
        let (before, after) = emit::host_steps(&compiled.source.graph);
        assert!(before[0].contains("t1 = x - vectors/host_constant_0.npy"), "{before:?}");
        assert!(before[2].contains("round_half_even(t2 / 0.5) + 10"), "{before:?}");
        assert!(
            after.iter().any(|s| s.contains("\"i\": TopK over axis 1: indices of the 2 greatest")),
            "{after:?}"
        );
    }
}
