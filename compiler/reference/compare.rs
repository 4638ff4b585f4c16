//! The executor against ONNX Runtime, byte for byte.
//!
//! In: the user's file, its integer graph and inputs. Out: for each setting of ONNX Runtime, what differs.
//! Guarantees: nothing is reshaped or rounded; floats are compared by their bits, and nothing is tolerated but one step of
//! the output where the graph computes a Softmax in integers (`graph::int::Head`), which is said and counted. Judged are
//! [`Setting::Canonical`], and the full int8 session on the user's file ([`Setting::FullInt8`], or
//! [`Setting::FullInt8Moved`] where a Clip or Reshape keeps the former from int8) if it computes no sum
//! between integer tensors in float. Where neither does and neither agrees, the user's file without optimisation has to
//! be near: so no model is judged on our own export alone. The others are for information, and so is the canonical
//! graph where a session on the user's file agrees and float32 decides the bytes of an average (`float_means`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::export::{ExportOptions, Exported, WeightForm, export};
use super::ort::{Session, Setting, Source, runtime};
use super::{cut, float, moves};
use crate::arith::{AverageForm, Lanes};
use crate::diag::{Diagnostic, Result, code};
use crate::exec::{Data, Executor};
use crate::graph::int::{HeadUnit, HostOutput, HostStep, IntGraph, IntOp};
use crate::onnx;
use crate::onnx::model::Model;

/// The processor, because ONNX Runtime's results depend on it.
#[derive(Clone, Debug, Serialize)]
pub struct Cpu {
    /// Its name as the operating system gives it.
    pub name: String,
    /// Whether it has VNNI. Without it ONNX Runtime's u8 x s8 kernels saturate sums of two products to 16 bits.
    pub vnni: bool,
}

/// All results.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Version of ONNX Runtime, where it is known.
    pub version: Option<String>,
    /// Its library.
    pub library: String,
    /// Its build description.
    pub runtime: String,
    /// The processor.
    pub cpu: Cpu,
    /// Samples compared.
    pub samples: usize,
    /// Nodes whose byte may depend on the order in which ONNX Runtime adds float32 values: averages outside its integer
    /// operators, near a tie.
    pub float_means: Vec<String>,
    /// One entry for each setting.
    pub settings: Vec<SettingResult>,
}

/// What one setting gave.
#[derive(Clone, Debug, Serialize)]
pub struct SettingResult {
    /// Which.
    pub setting: Setting,
    /// Whether differences count as a fault.
    pub judged: bool,
    /// Operators between integer tensors that ONNX Runtime computed in float32, with their number. A full int8
    /// session with a convolution, product or average among them is no integer reference, so it is not judged.
    pub float_operators: BTreeMap<String, usize>,
    /// How near the outputs have to be, in steps; `None` where nothing is asked.
    pub near: Option<f64>,
    /// How far the outputs lie from the executor's, in steps of their scales: those before a trailing Softmax, where
    /// there is one; `None` where no output has a scale (class numbers).
    pub steps: Option<f64>,
    /// Why there is no result, if there is none.
    pub error: Option<String>,
    /// The model's outputs.
    pub outputs: Vec<Difference>,
    /// Outputs before a trailing Softmax; empty if there is none.
    pub before_softmax: Vec<Difference>,
    /// Every integer tensor, in order of execution; only for [`Setting::Canonical`].
    pub tensors: Vec<Difference>,
}

/// One tensor compared over all samples.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Its name.
    pub tensor: String,
    /// Elements compared.
    pub elements: usize,
    /// Elements that differ in any bit.
    pub differing: usize,
    /// One step of the output, which may lie between the two: behind a Softmax in hardware. Else 0.
    pub allowed: f64,
    /// Elements that differ by more than that; without it, all that differ.
    pub beyond: usize,
    /// The largest difference, as real numbers; infinite where one is not finite.
    pub largest: f64,
    /// The first of them.
    pub first: Option<FirstDifference>,
}

/// Where two tensors differ first.
#[derive(Clone, Debug, Serialize)]
pub struct FirstDifference {
    /// Sample number.
    pub sample: usize,
    /// Index in the sample's tensor, row-major in its ONNX shape.
    pub index: Vec<usize>,
    /// The executor's value.
    pub executor: String,
    /// ONNX Runtime's value.
    pub onnxruntime: String,
}

impl SettingResult {
    fn new(setting: Setting) -> SettingResult {
        SettingResult {
            setting,
            judged: setting == Setting::Canonical,
            float_operators: BTreeMap::new(),
            near: None,
            steps: None,
            error: None,
            outputs: vec![],
            before_softmax: vec![],
            tensors: vec![],
        }
    }

    /// Whether it ran and every output has our bytes.
    fn equal(&self) -> bool {
        self.error.is_none() && !self.outputs.is_empty() && self.outputs.iter().all(|d| d.beyond == 0)
    }

    /// Every compared tensor.
    pub fn all(&self) -> impl Iterator<Item = &Difference> {
        self.outputs.iter().chain(&self.before_softmax).chain(&self.tensors)
    }
}

impl Comparison {
    /// Whether every judged setting ran and agrees in every byte, and what has to be near is.
    pub fn agrees(&self) -> bool {
        self.settings.iter().all(|s| {
            let same = || s.all().all(|d| d.beyond == 0);
            // Steps are quotients of floats.
            let near =
                s.near.is_none_or(|most| s.error.is_none() && s.steps.is_none_or(|d| d <= most + 0.01));
            (!s.judged || s.error.is_none() && same()) && near
        })
    }
}

impl Cpu {
    /// The processor that this runs on.
    pub fn detect() -> Cpu {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = info
            .lines()
            .find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, v)| v.trim().to_owned()))
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        #[cfg(target_arch = "x86_64")]
        let vnni = std::arch::is_x86_feature_detected!("avx512vnni")
            || std::arch::is_x86_feature_detected!("avxvnni");
        #[cfg(not(target_arch = "x86_64"))]
        let vnni = false;
        Cpu { name, vnni }
    }
}

/// Compares. `inputs` are in the order of [`Executor::inputs`], samples on the first axis.
///
/// # Errors
/// `NO_REFERENCE` without ONNX Runtime, and those of the executor and the export. A setting that ONNX Runtime
/// refuses is reported in its entry.
pub fn compare(model: &Path, graph: &IntGraph, inputs: &[Data]) -> Result<Comparison> {
    let runtime = runtime()?;
    let executor = Executor::new(graph)?.with_lanes(Lanes::detect());
    let names: Vec<String> = executor.inputs().into_iter().map(|e| e.name).collect();
    let expect = executor.run(inputs)?;
    let samples = samples(&expect);
    let feed = Feed { names: &names, inputs, samples, allowed: &allowed(graph, &executor) };
    let cut_graph = cut::graph(graph);
    let cut_expect = match &cut_graph {
        Some(g) => Some(Executor::new(g)?.run(inputs)?),
        None => None,
    };
    let original = onnx::read(model)?;
    let moved = moves::toward_int8(&original);
    let mut settings = vec![];
    for setting in
        [Setting::FullInt8, Setting::FullInt8Moved, Setting::Canonical, Setting::Default, Setting::Disabled]
    {
        let form = match (setting, &moved) {
            (Setting::FullInt8Moved, None) => continue,
            (Setting::FullInt8Moved, Some(moved)) => moved,
            (Setting::Canonical, _) => {
                settings.push(compare_canonical(graph, inputs)?);
                continue;
            }
            (Setting::FullInt8 | Setting::Default | Setting::Disabled, _) => &original,
        };
        let mut result = SettingResult::new(setting);
        let integer = |s: &SettingResult| s.judged && s.setting != Setting::Canonical;
        let agrees = |s: &SettingResult| s.setting != Setting::Canonical && s.equal();
        if setting == Setting::Disabled && !settings.iter().any(|s| integer(s) || agrees(s)) {
            result.near = Some(near(graph));
        }
        let source = if setting == Setting::FullInt8Moved {
            Source::Bytes(onnx::encode(form)?)
        } else {
            Source::File(model)
        };
        let cut_model = cut_expect.as_ref().and_then(|_| cut::model(form));
        let done =
            original_setting(&mut result, &source, cut_model.as_ref(), &feed, &expect, cut_expect.as_deref());
        result.steps = match (&cut_graph, result.before_softmax.is_empty()) {
            (Some(cut), false) => steps(&result.before_softmax, cut)?,
            _ => steps(&result.outputs, graph)?,
        };
        result.error = done.err().map(|e| e.to_string());
        settings.push(result);
    }
    let float_means = float_means(graph);
    let of_file = |s: &SettingResult| s.setting != Setting::Canonical && s.equal();
    if !float_means.is_empty() && settings.iter().any(of_file) {
        settings.iter_mut().filter(|s| s.setting == Setting::Canonical).for_each(|s| s.judged = false);
    }
    Ok(Comparison {
        float_means,
        version: runtime.version.clone(),
        library: runtime.library.display().to_string(),
        runtime: runtime.build.clone(),
        cpu: Cpu::detect(),
        samples,
        settings,
    })
}

/// Compares with our export alone, every tensor of it: for graphs without a file.
///
/// # Errors
/// Those of [`compare`].
pub fn compare_canonical(graph: &IntGraph, inputs: &[Data]) -> Result<SettingResult> {
    // uint8 weights where int8 ones would saturate.
    compare_export(graph, inputs, if Cpu::detect().vnni { WeightForm::Natural } else { WeightForm::Unsigned })
}

/// As [`compare_canonical`], with weights written as told.
pub(crate) fn compare_export(
    graph: &IntGraph,
    inputs: &[Data],
    weights: WeightForm,
) -> Result<SettingResult> {
    let canonical = export(graph, &ExportOptions { all_outputs: true, weights })?;
    let executor = Executor::new(graph)?.with_lanes(Lanes::detect());
    let mut result = SettingResult::new(Setting::Canonical);
    let done = canonical_setting(&mut result, &canonical, graph, &executor, inputs);
    result.error = done.err().map(|e| e.to_string());
    Ok(result)
}

/// Inputs by name, one sample at a time.
struct Feed<'a> {
    names: &'a [String],
    inputs: &'a [Data],
    samples: usize,
    /// For each output, see [`Difference::allowed`].
    allowed: &'a [f64],
}

impl Feed<'_> {
    fn sample(&self, n: usize) -> Vec<(String, Data)> {
        self.names.iter().cloned().zip(self.inputs.iter().map(|d| d.samples(n..n + 1))).collect()
    }
}

fn samples(outputs: &[Data]) -> usize {
    outputs.first().map_or(0, |d| d.shape().first().copied().unwrap_or(0))
}

fn original_setting(
    result: &mut SettingResult,
    source: &Source<'_>,
    cut_model: Option<&Model>,
    feed: &Feed<'_>,
    expect: &[Data],
    cut_expect: Option<&[Data]>,
) -> Result<()> {
    result.float_operators = float::operators(&source.optimized(result.setting)?);
    let integer = matches!(result.setting, Setting::FullInt8 | Setting::FullInt8Moved);
    result.judged = integer && !float::sums(&result.float_operators);
    let mut session = source.session(result.setting)?;
    result.outputs = outputs(&mut session, feed, expect)?;
    if let (Some(model), Some(expect)) = (cut_model, cut_expect) {
        let mut session = Session::from_bytes(&onnx::encode(model)?, result.setting, 0)?;
        let before = Feed { allowed: &[], ..*feed };
        result.before_softmax = outputs(&mut session, &before, expect)?;
    }
    Ok(())
}

fn outputs(session: &mut Session, feed: &Feed<'_>, expect: &[Data]) -> Result<Vec<Difference>> {
    let mut all = Vec::new();
    for n in 0..feed.samples {
        let found = session.run(&feed.sample(n))?;
        accumulate(&mut all, n, &found, expect, feed.allowed)?;
    }
    Ok(all)
}

fn canonical_setting(
    result: &mut SettingResult,
    canonical: &Exported,
    graph: &IntGraph,
    executor: &Executor,
    inputs: &[Data],
) -> Result<()> {
    let names: Vec<String> = executor.inputs().into_iter().map(|e| e.name).collect();
    let expect = &executor.run(inputs)?;
    let allowed = allowed(graph, executor);
    let feed = Feed { names: &names, inputs, samples: samples(expect), allowed: &allowed };
    let bytes = onnx::encode(&canonical.model)?;
    let mut session = Session::from_bytes(&bytes, result.setting, 0)?;
    for n in 0..feed.samples {
        let found = session.run(&feed.sample(n))?;
        accumulate(&mut result.outputs, n, &found[..expect.len().min(found.len())], expect, feed.allowed)?;
        let trace = executor.trace(inputs, n)?;
        for (k, stage) in trace.stages.iter().enumerate() {
            let name = &canonical.tensors[&stage.node];
            let tensor = found.iter().find(|(t, _)| t == name).map(|(_, d)| d);
            let tensor = tensor.ok_or_else(|| {
                Diagnostic::new(code::INTERNAL, "the export lacks a tensor", format!("{name:?}"))
            })?;
            let offset = graph.value(stage.node.into()).fact.source_offset;
            let ours = file_bytes(&stage.output, offset);
            if result.tensors.len() <= k {
                result.tensors.push(Difference::new(&stage.tensor));
            }
            let [c, h, w] = stage.shape;
            let found = tensor.to_bytes();
            result.tensors[k].add(n, &[1, c, h, w], 1, &ours, &found, |i, ours| {
                let mine =
                    || stage.output.get(i).map_or_else(String::new, |v| (i32::from(*v) + offset).to_string());
                if ours { mine() } else { tensor.text_at(i) }
            });
        }
    }
    Ok(())
}

/// See [`Comparison::float_means`].
fn float_means(graph: &IntGraph) -> Vec<String> {
    let open = |op: &IntOp| match op {
        IntOp::AveragePool(pool) if pool.spec.form == AverageForm::Float => {
            let taps = pool.window.kernel.iter().product();
            let divisor = i32::try_from(taps).unwrap_or(i32::MAX);
            pool.spec.spread(taps, (-128, 127), divisor).ambiguous > 0
        }
        _ => false,
    };
    let open = graph.ids().into_iter().filter(|&id| open(&graph.node(id).op));
    open.map(|id| graph.node(id).name.clone()).collect()
}

/// How far, in steps of an output's scale, outputs may lie from those of the user's own file where ONNX Runtime
/// computes it in float32: each layer may round the other way at a tie, and later ones add such steps up. Eight, and
/// one for every four layers (measured: at most 1 on most networks of up to 40 layers, up to 9 on one with many averages,
/// 3 to 11 on two MobileNetV2 of 65).
fn near(graph: &IntGraph) -> f64 {
    let layer = |op: &IntOp| match op {
        IntOp::Conv(_) | IntOp::Add(_) | IntOp::Product(_) | IntOp::Table(_) | IntOp::AveragePool(_) => true,
        IntOp::Input(_) | IntOp::MaxPool(_) | IntOp::Select(_) | IntOp::Concat(_) | IntOp::Output(_) => false,
    };
    let layers = graph.ids().into_iter().filter(|id| layer(&graph.node(*id).op)).count();
    // Far below 2^53.
    8.0 + (layers / 4) as f64
}

/// The real value of one step of an output: 1 for integers, the scale of a DequantizeLinear for floats; `None` where
/// something else follows.
fn scale(output: &HostOutput) -> Option<f64> {
    output.steps.iter().try_fold(1.0, |at, step| match step {
        HostStep::Dequantize(scale, _) => Some(f64::from(*scale)),
        HostStep::Reshape(_) => Some(at),
        HostStep::Quantize(..) => Some(1.0),
        // These bring no two numbers further apart.
        HostStep::Function("Relu" | "Clip" | "Sigmoid" | "Tanh" | "Abs" | "Neg" | "Softsign", _) => Some(at),
        HostStep::TopK { indices: false, .. } => Some(at),
        HostStep::Function(..)
        | HostStep::Accumulator { .. }
        | HostStep::Softmax(_)
        | HostStep::LogSoftmax(_)
        | HostStep::TopK { .. }
        | HostStep::QLinearSoftmax { .. }
        | HostStep::ArgMax { .. } => None,
    })
}

/// The largest difference in steps of the graph's outputs, which the executor gives in this order.
fn steps(outputs: &[Difference], graph: &IntGraph) -> Result<Option<f64>> {
    let mut scales: BTreeMap<String, f64> = BTreeMap::new();
    for id in graph.ids() {
        if let IntOp::Output(output) = &graph.node(id).op
            && let Some(scale) = scale(output)
        {
            scales.insert(graph.node(id).name.clone(), scale);
        }
    }
    let edges = Executor::new(graph)?.outputs();
    let all = outputs.iter().zip(&edges).filter_map(|(d, e)| scales.get(&e.name).map(|s| d.largest / s));
    Ok(all.reduce(f64::max))
}

/// Canonical integers as the bytes of the file's type.
fn file_bytes(x: &[i8], offset: i32) -> Vec<u8> {
    // The low byte of x + offset is the file's int8 or uint8.
    x.iter().map(|v| (i32::from(*v) + offset).to_le_bytes()[0]).collect()
}

/// For each output the step that may lie between ours and ONNX Runtime's, in the executor's order; 0 for none.
fn allowed(graph: &IntGraph, executor: &Executor) -> Vec<f64> {
    let mut steps: BTreeMap<&str, f64> = BTreeMap::new();
    for id in graph.ids() {
        let IntOp::Output(output) = &graph.node(id).op else { continue };
        let Some(head) = output.head.as_ref().filter(|h| matches!(h.unit, HeadUnit::Softmax(_))) else {
            continue;
        };
        // Nothing but DequantizeLinear and Reshape is behind it.
        let step = head.steps.iter().fold(1.0, |at, step| match step {
            HostStep::Dequantize(scale, _) => f64::from(*scale),
            _ => at,
        });
        steps.insert(&graph.node(id).name, step);
    }
    executor.outputs().iter().map(|e| steps.get(e.name.as_str()).copied().unwrap_or(0.0)).collect()
}

fn accumulate(
    all: &mut Vec<Difference>,
    n: usize,
    found: &[(String, Data)],
    expect: &[Data],
    allowed: &[f64],
) -> Result<()> {
    if found.len() != expect.len() {
        let cause = format!("{} outputs, the graph has {}", found.len(), expect.len());
        return Err(Diagnostic::new(code::INTERNAL, "the outputs do not correspond", cause).into());
    }
    for (k, ((name, found), expect)) in found.iter().zip(expect).enumerate() {
        if all.len() <= k {
            all.push(Difference::new(name));
        }
        all[k].allowed = allowed.get(k).copied().unwrap_or(0.0);
        let ours = expect.samples(n..n + 1);
        if found.type_name() != ours.type_name() || found.len() != ours.len() {
            let cause = format!(
                "{} {:?} in ONNX Runtime, {} {:?} here",
                found.type_name(),
                found.shape(),
                ours.type_name(),
                ours.shape()
            );
            return Err(Diagnostic::new(code::INTERNAL, "an output has another type or size", cause)
                .at(format!("output {name:?}"))
                .into());
        }
        for (ours, found) in ours.to_f64().into_iter().zip(found.to_f64()) {
            let distance = (ours - found).abs();
            // Infinities of one sign are equal; a difference that is not a number is none of size.
            let distance = if ours == found {
                0.0
            } else if distance.is_nan() {
                f64::INFINITY
            } else {
                distance
            };
            all[k].largest = all[k].largest.max(distance);
            // A real step is a product in float32; two are not near one.
            all[k].beyond += usize::from(all[k].allowed > 0.0 && distance > 1.01 * all[k].allowed);
        }
        let (a, b) = (ours.to_bytes(), found.to_bytes());
        let width = a.len() / ours.len().max(1);
        all[k].add(
            n,
            found.shape(),
            width,
            &a,
            &b,
            |i, mine| {
                if mine { ours.text_at(i) } else { found.text_at(i) }
            },
        );
    }
    Ok(())
}

impl Difference {
    fn new(tensor: &str) -> Difference {
        Difference {
            tensor: tensor.to_owned(),
            elements: 0,
            differing: 0,
            allowed: 0.0,
            beyond: 0,
            largest: 0.0,
            first: None,
        }
    }

    /// Adds one sample; `width` bytes an element; a shorter or longer tensor differs in the missing elements.
    fn add(
        &mut self,
        sample: usize,
        shape: &[usize],
        width: usize,
        ours: &[u8],
        found: &[u8],
        text: impl Fn(usize, bool) -> String,
    ) {
        let width = width.max(1);
        let count = ours.len().max(found.len()) / width;
        self.elements += count;
        if ours == found {
            return;
        }
        for i in 0..count {
            let at = i * width..(i + 1) * width;
            if ours.get(at.clone()) == found.get(at) {
                continue;
            }
            self.differing += 1;
            self.beyond += usize::from(self.allowed == 0.0);
            if self.first.is_none() {
                self.first = Some(FirstDifference {
                    sample,
                    index: index(shape, i),
                    executor: text(i, true),
                    onnxruntime: text(i, false),
                });
            }
        }
    }
}

fn index(shape: &[usize], mut i: usize) -> Vec<usize> {
    let mut out: Vec<usize> = shape
        .iter()
        .rev()
        .map(|d| {
            let at = i % (*d).max(1);
            i /= (*d).max(1);
            at
        })
        .collect();
    out.reverse();
    out
}
