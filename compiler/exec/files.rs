//! Running a graph on `.npy` files: what the `run` command does.
//!
//! In: an integer graph and typed arguments. Out: files, and a report of what they hold. Guarantees: inputs are
//! checked before anything is written; the same inputs give the same bytes.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::data::{array, type_name};
use super::{Data, Edge, Executor, Stage, npy};
use crate::arith::Lanes;
use crate::diag::{Diagnostic, Result, code};
use crate::graph::int::IntGraph;

/// One `--input [NAME=]FILE` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// The model's input; `None` means the only one, or the next without a name.
    pub name: Option<String>,
    /// The `.npy` file.
    pub path: PathBuf,
}

/// What to run and what to write.
#[derive(Clone, Debug, Default)]
pub struct RunFiles {
    /// Inputs.
    pub inputs: Vec<InputFile>,
    /// Where the output goes; several outputs get their names before the extension.
    pub output: Option<PathBuf>,
    /// A folder for every node's accumulators and result.
    pub dump: Option<PathBuf>,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The tensor in it.
    pub tensor: String,
    /// Element type.
    pub dtype: &'static str,
    /// Shape, samples first.
    pub shape: Vec<usize>,
    /// Path.
    pub path: PathBuf,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Samples run.
    pub samples: usize,
    /// The model's outputs.
    pub outputs: Vec<(Edge, Data)>,
    /// What was read, in the model's order: for a comparison on the same inputs.
    pub inputs: Vec<Data>,
    /// Files written, outputs first.
    pub written: Vec<Written>,
}

impl InputFile {
    /// Parses `NAME=FILE` or `FILE`; a text that names an existing file is a file.
    pub fn parse(text: &str) -> InputFile {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !Path::new(text).exists() => {
                InputFile { name: Some(name.to_owned()), path: path.into() }
            }
            _ => InputFile { name: None, path: text.into() },
        }
    }
}

/// Loads the inputs in the executor's order.
///
/// # Errors
/// `INPUT_DATA_INVALID` if an input is missing, given twice or unknown; those of [`npy::load`].
pub fn load_inputs(executor: &Executor, files: &[InputFile]) -> Result<Vec<Data>> {
    let edges = executor.inputs();
    let known = || edges.iter().map(|e| format!("{:?}", e.name)).collect::<Vec<_>>().join(", ");
    let fault = |message: &str, cause: String| {
        Diagnostic::new(code::INPUT_DATA_INVALID, message, cause)
            .remedy(format!("give --input NAME=FILE.npy once for each of {}", known()))
    };
    let mut chosen: Vec<Option<&InputFile>> = vec![None; edges.len()];
    for file in files.iter().filter(|f| f.name.is_some()) {
        let name = file.name.as_deref().unwrap_or_default();
        match edges.iter().position(|e| e.name == name) {
            Some(at) if chosen[at].is_none() => chosen[at] = Some(file),
            Some(_) => return Err(fault("an input is given twice", format!("{name:?}")).into()),
            None => {
                let cause = format!("no output depends on an input {name:?}");
                return Err(fault("the model has no such input", cause).into());
            }
        }
    }
    for file in files.iter().filter(|f| f.name.is_none()) {
        match chosen.iter_mut().find(|c| c.is_none()) {
            Some(slot) => *slot = Some(file),
            None => {
                return Err(fault("there are more files than inputs", file.path.display().to_string()).into());
            }
        }
    }
    let missing: Vec<String> = edges
        .iter()
        .zip(&chosen)
        .filter(|(_, c)| c.is_none())
        .map(|(e, _)| format!("{:?}", e.name))
        .collect();
    if !missing.is_empty() {
        return Err(fault("an input is missing", missing.join(", ")).into());
    }
    chosen.into_iter().flatten().map(|file| npy::load(&file.path)).collect()
}

/// Runs the graph on files.
///
/// # Errors
/// Those of [`load_inputs`] and [`Executor::run`], and `FILE_UNWRITABLE`.
pub fn run_files(graph: &IntGraph, options: &RunFiles) -> Result<RunReport> {
    // What ONNX Runtime gives on this CPU: its float Softmax depends on the vector width.
    let executor = Executor::new(graph)?.with_lanes(Lanes::detect());
    let inputs = load_inputs(&executor, &options.inputs)?;
    let results = executor.run(&inputs)?;
    let samples = inputs.first().and_then(|d| d.shape().first().copied()).unwrap_or(0);
    let outputs: Vec<(Edge, Data)> = executor.outputs().into_iter().zip(results).collect();
    let mut written = Vec::new();
    if let Some(path) = &options.output {
        for (edge, data) in &outputs {
            let path = if outputs.len() == 1 { path.clone() } else { named(path, &edge.name) };
            npy::save(&path, data)?;
            let (tensor, dtype) = (edge.name.clone(), type_name(edge.dtype));
            written.push(Written { tensor, dtype, shape: data.shape().to_vec(), path });
        }
    }
    if let Some(folder) = &options.dump {
        written.extend(dump(&executor, &inputs, samples, folder)?);
    }
    Ok(RunReport { samples, outputs, inputs, written })
}

/// Writes every node's accumulators (int32) and result (canonical int8), `[n, c, h, w]`, as
/// `NNN_tensor.npy` and `NNN_tensor.acc.npy` in order of execution.
fn dump(executor: &Executor, inputs: &[Data], samples: usize, folder: &Path) -> Result<Vec<Written>> {
    std::fs::create_dir_all(folder).map_err(|e| {
        Diagnostic::new(code::FILE_UNWRITABLE, "the dump folder can't be made", e.to_string())
            .at(format!("folder {}", folder.display()))
    })?;
    let traces: Vec<Vec<Stage>> =
        (0..samples).map(|n| Ok(executor.trace(inputs, n)?.stages)).collect::<Result<_>>()?;
    let mut written = Vec::new();
    let count = traces.first().map_or(0, Vec::len);
    for k in 0..count {
        let stages: Vec<&Stage> = traces.iter().map(|t| &t[k]).collect();
        let first = stages[0];
        let [c, h, w] = first.shape;
        let shape = [samples, c, h, w];
        let stem = format!("{k:03}_{}", file_name(&first.tensor));
        let result = stages.iter().flat_map(|s| s.output.iter().copied()).collect();
        let mut files = vec![(format!("{stem}.npy"), array(&shape, result).map(Data::I8))];
        if first.accumulator.is_some() {
            let sums = stages.iter().flat_map(|s| s.accumulator.iter().flatten().copied()).collect();
            files.push((format!("{stem}.acc.npy"), array(&shape, sums).map(Data::I32)));
        }
        for (name, data) in files {
            let data = data.ok_or_else(|| {
                Diagnostic::new(code::INTERNAL, "a stage does not fit its shape", first.tensor.clone())
            })?;
            let path = folder.join(name);
            npy::save(&path, &data)?;
            let (tensor, dtype) = (first.tensor.clone(), data.type_name());
            written.push(Written { tensor, dtype, shape: shape.to_vec(), path });
        }
    }
    Ok(written)
}

/// `y.npy` and `a/b` give `y.a_b.npy`.
fn named(path: &Path, name: &str) -> PathBuf {
    path.with_extension(format!("{}.npy", file_name(name)))
}

/// A tensor's name as part of a file name on every system.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::graph::Value;
    use crate::graph::int::*;

    /// y = max over both columns, for two inputs given by name.
    fn two_inputs() -> IntGraph {
        let mut g = IntGraph::default();
        let fact = QFact { shape: [1, 1, 2], bits: 8, scale: 1.0, zero_point: 0, source_offset: 0 };
        for (name, out) in [("a", "first/out"), ("b", "second")] {
            let arrangement = Arrangement { onnx_shape: vec![1, 2], source: None };
            let input =
                IntOp::Input(HostInput { dtype: HostType::I8, prepare: None, rule: None, arrangement });
            let x = g.add(name, input, &[], vec![Value { name: format!("{name}:q"), fact: fact.clone() }]);
            let window = Window { kernel: [1, 2], ..Window::POINT };
            let y = Value { name: format!("{name}:max"), fact: QFact { shape: [1, 1, 1], ..fact.clone() } };
            let y = g.add(format!("pool {name}"), IntOp::MaxPool(MaxPool { window }), &[x.into()], vec![y]);
            let arrangement = Arrangement { onnx_shape: vec![1, 1], source: None };
            let output =
                IntOp::Output(HostOutput { dtype: HostType::I8, arrangement, steps: vec![], head: None });
            let o = g.add(out, output, &[y.into()], vec![]);
            g.outputs.push(o.into());
        }
        g
    }

    #[test]
    fn files_in_files_out() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let save = |name: &str, v: Vec<i8>| {
            let a = ArrayD::from_shape_vec(IxDyn(&[2, 2]), v).unwrap();
            npy::save(&at(name), &Data::I8(a)).unwrap();
            at(name)
        };
        let (a, b) = (save("a.npy", vec![1, 2, 4, 3]), save("b.npy", vec![-1, -2, 9, 8]));
        let named = |name: &str, path: &Path| InputFile::parse(&format!("{name}={}", path.display()));
        let options = RunFiles {
            inputs: vec![named("b", &b), InputFile { name: None, path: a.clone() }],
            output: Some(at("y.npy")),
            dump: Some(at("dump")),
        };
        let report = run_files(&two_inputs(), &options).unwrap();
        let i8s = |shape: &[usize], v: Vec<i8>| Data::I8(ArrayD::from_shape_vec(IxDyn(shape), v).unwrap());
        assert_eq!(report.samples, 2);
        assert_eq!(npy::load(&at("y.first_out.npy")).unwrap(), i8s(&[2, 1], vec![2, 4]));
        assert_eq!(npy::load(&at("y.second.npy")).unwrap(), i8s(&[2, 1], vec![-1, 9]));
        assert_eq!(npy::load(&at("dump/003_b_max.npy")).unwrap(), i8s(&[2, 1, 1, 1], vec![-1, 9]));
        assert_eq!(report.written.len(), 2 + 4);
        let refuse = |inputs: Vec<InputFile>| {
            run_files(&two_inputs(), &RunFiles { inputs, ..RunFiles::default() }).unwrap_err().to_string()
        };
        assert!(refuse(vec![named("a", &a)]).contains("is missing"));
        assert!(refuse(vec![named("a", &a), named("a", &a)]).contains("given twice"));
        assert!(refuse(vec![named("c", &a)]).contains("no such input"));
        assert!(refuse(vec![named("a", &a), named("b", &at("none.npy"))]).contains("O2C0001"));
    }
}
