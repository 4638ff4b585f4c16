//! ONNX Runtime, loaded at run time.
//!
//! In: a model file or its bytes, arrays. Out: arrays. Guarantees: nothing is linked; a missing or unfit library is
//! `O2C0501`; samples run one by one, so that models of batch 1 and of symbolic batch give the same bytes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::ArrayD;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType};
use serde::Serialize;

use crate::diag::{Diagnostic, Diagnostics, Result, code};
use crate::exec::Data;
use crate::onnx::model::Model;

/// The loaded library.
#[derive(Debug)]
pub struct Runtime {
    environment: ort::environment::Environment,
    /// Where it was found.
    pub library: PathBuf,
    /// Its version, e.g. `1.32.0`, where the library's name or its build description tells.
    pub version: Option<String>,
    /// Its build description, e.g. `git-branch=rel-1.32.0, ...`.
    pub build: String,
}

/// How a session computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// All optimisations, and int8 on every path (`session.qdqisint8allowed=1`): the reference.
    FullInt8,
    /// As [`Setting::FullInt8`] on the user's file with Clips and Reshapes moved out of the way of fusion: where
    /// they stand in it, ONNX Runtime would compute the convolution or product in float.
    FullInt8Moved,
    /// Our canonical QOperator export without optimisation: the reference for every tensor.
    Canonical,
    /// As a user gets it: parts of QDQ graphs may run in float. For information.
    Default,
    /// The user's file without optimisation: QDQ graphs run in float. For information.
    Disabled,
}

/// A model ready to run.
#[derive(Debug)]
pub struct Session {
    inner: OrtSession,
}

/// Where a model is.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// A file; external data are found beside it.
    File(&'a Path),
    /// In memory.
    Bytes(Vec<u8>),
}

impl Source<'_> {
    /// Opens a session.
    pub fn session(&self, setting: Setting) -> Result<Session> {
        match self {
            Source::File(path) => Session::open(path, setting, 0),
            Source::Bytes(bytes) => Session::from_bytes(bytes, setting, 0),
        }
    }

    /// The graph as ONNX Runtime runs it after its optimisations.
    pub fn optimized(&self, setting: Setting) -> Result<Model> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("onnx2chip-{}-{}.onnx", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let b = builder(setting, 0)?
            .with_optimized_model_path(&path)
            .map_err(|e| refused(setting, &ort::Error::from(e)))
            .and_then(|mut b| {
                match self {
                    Source::File(path) => b.commit_from_file(path),
                    Source::Bytes(bytes) => b.commit_from_memory(bytes),
                }
                .map_err(|e| refused(setting, &e))
            });
        let model = b.and_then(|_| crate::onnx::read(&path));
        // A leftover in the temporary folder does no harm.
        let _ = std::fs::remove_file(&path);
        model
    }
}

/// The library, loaded once per process; `O2C0501` if there is none.
pub fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime>> = OnceLock::new();
    RUNTIME.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<Runtime> {
    let library = locate()?;
    let missing = |cause: String| {
        Diagnostics::from(
            Diagnostic::new(code::NO_REFERENCE, "ONNX Runtime can't be loaded", cause)
                .at(format!("file {}", library.display())),
        )
    };
    let environment = ort::init_from(&library)
        .map_err(|e| missing(e.to_string()))?
        .with_name("onnx2chip")
        .build()
        .map_err(|e| missing(e.to_string()))?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    let build = ort::info().to_owned();
    let version = version(&library, &build);
    Ok(Runtime { environment, library, version, build })
}

/// The version in the library's name (`libonnxruntime.so.1.32.0`), else in its branch's (`rel-1.32.0`).
fn version(library: &Path, build: &str) -> Option<String> {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let digits = digits.trim_end_matches('.');
        digits.contains('.').then(|| digits.to_owned())
    };
    // The plain name is often a link to the one with the version.
    let file = std::fs::canonicalize(library).unwrap_or_else(|_| library.to_owned());
    let name = file.file_name()?.to_string_lossy().into_owned();
    let in_name =
        ["libonnxruntime.so.", "libonnxruntime."].iter().find_map(|p| number(name.strip_prefix(p)?));
    in_name.or_else(|| number(build.split_once("git-branch=rel-")?.1))
}

/// The virtual environments to look in: the active one, `.venv` here, `.venv` beside or above the executable.
fn environments() -> Vec<PathBuf> {
    let active = std::env::var_os("VIRTUAL_ENV").filter(|p| !p.is_empty()).map(PathBuf::from);
    let exe = std::env::current_exe().and_then(|p| p.canonicalize()).ok();
    let above = exe.iter().flat_map(|p| p.ancestors().skip(1)).map(|d| d.join(".venv"));
    active.into_iter().chain([PathBuf::from(".venv")]).chain(above).collect()
}

/// The shared library: `ORT_DYLIB_PATH`, else that of the Python package in a virtual environment, else of `python3`.
fn locate() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()) {
        let path = PathBuf::from(path);
        if path.is_file() {
            return Ok(path);
        }
        let cause = "ORT_DYLIB_PATH names no file";
        return Err(Diagnostic::new(code::NO_REFERENCE, "ONNX Runtime is not available", cause)
            .at(format!("file {}", path.display()))
            .into());
    }
    let package = |environment: PathBuf| {
        let found = children(&environment.join("lib"), "python3").into_iter();
        found.map(|p| p.join("site-packages/onnxruntime")).rfind(|p| p.is_dir())
    };
    let mut packages: Vec<PathBuf> = environments().into_iter().find_map(package).into_iter().collect();
    let ask = "import importlib.util as u; s = u.find_spec('onnxruntime'); print(s.submodule_search_locations[0] if s else '')";
    if packages.is_empty()
        && let Ok(out) = Command::new("python3").args(["-c", ask]).output()
    {
        packages.extend(
            String::from_utf8(out.stdout)
                .ok()
                .map(|s| s.trim().to_owned())
                .filter(|s| !s.is_empty())
                .map(PathBuf::from),
        );
    }
    packages
        .iter()
        .flat_map(|p| {
            let capi = p.join("capi");
            let mut found = children(&capi, "libonnxruntime.so");
            found.extend(children(&capi, "libonnxruntime.dylib"));
            found
        })
        .next_back()
        .ok_or_else(|| {
            Diagnostic::new(
                code::NO_REFERENCE,
                "ONNX Runtime is not available",
                "ORT_DYLIB_PATH is not set, and the Python package onnxruntime is neither in a virtual environment (the \
                 active one, .venv here, .venv beside or above the executable) nor in python3's path",
            )
            .into()
        })
}

/// Entries of a folder whose name begins so, sorted.
fn children(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(std::result::Result::ok)
        .filter(|e| e.file_name().to_string_lossy().starts_with(prefix))
        .map(|e| e.path())
        .collect();
    all.sort();
    all
}

impl Session {
    /// Opens a model file; external data are found beside it. `threads` 0 lets the library choose.
    pub fn open(path: &Path, setting: Setting, threads: usize) -> Result<Session> {
        let built = builder(setting, threads)?.commit_from_file(path);
        built.map(|inner| Session { inner }).map_err(|e| refused(setting, &e))
    }

    /// Opens a model in memory.
    pub fn from_bytes(bytes: &[u8], setting: Setting, threads: usize) -> Result<Session> {
        let built = builder(setting, threads)?.commit_from_memory(bytes);
        built.map(|inner| Session { inner }).map_err(|e| refused(setting, &e))
    }

    /// Names of the model's outputs, in order.
    pub fn outputs(&self) -> Vec<String> {
        self.inner.outputs().iter().map(|o| o.name().to_owned()).collect()
    }

    /// Runs one call: named inputs with their batch axis, every output in order.
    pub fn run(&mut self, inputs: &[(String, Data)]) -> Result<Vec<(String, Data)>> {
        let fault = |e: &dyn std::fmt::Display| {
            Diagnostics::from(Diagnostic::new(
                code::TOOL_FAILED,
                "ONNX Runtime can't run the model",
                e.to_string(),
            ))
        };
        // An output may be an input's own buffer, so the inputs outlive the copies of the outputs below.
        let mut owned = Vec::with_capacity(inputs.len());
        for (name, data) in inputs {
            owned.push((name.as_str(), value(data).map_err(|e| fault(&e))?));
        }
        let values: Vec<(&str, SessionInputValue<'_>)> = owned.iter().map(|(n, v)| (*n, v.into())).collect();
        let names = self.outputs();
        let out = self.inner.run(values).map_err(|e| fault(&e))?;
        names
            .into_iter()
            .map(|name| {
                let value = out.get(&name).ok_or_else(|| fault(&format!("no output {name:?}")))?;
                let data = data(value).map_err(|e| fault(&e))?;
                Ok((name, data))
            })
            .collect()
    }
}

fn builder(setting: Setting, threads: usize) -> Result<ort::session::builder::SessionBuilder> {
    let environment = &runtime()?.environment;
    let level = match setting {
        Setting::FullInt8 | Setting::FullInt8Moved | Setting::Default => GraphOptimizationLevel::All,
        Setting::Canonical | Setting::Disabled => GraphOptimizationLevel::Disable,
    };
    let fault = |e: ort::Error| refused(setting, &e);
    let mut b = OrtSession::builder(environment).map_err(fault)?;
    b = b.with_optimization_level(level).map_err(|e| fault(e.into()))?;
    if threads > 0 {
        b = b.with_intra_threads(threads).map_err(|e| fault(e.into()))?;
    }
    if matches!(setting, Setting::FullInt8 | Setting::FullInt8Moved) {
        b = b.with_config_entry("session.qdqisint8allowed", "1").map_err(|e| fault(e.into()))?;
    }
    Ok(b)
}

fn refused(setting: Setting, e: &ort::Error) -> Diagnostics {
    Diagnostic::new(code::TOOL_FAILED, format!("ONNX Runtime refuses the model ({setting:?})"), e.to_string())
        .into()
}

fn value(data: &Data) -> ort::Result<DynValue> {
    Ok(match data.clone() {
        Data::F32(a) => Tensor::from_array(a)?.into_dyn(),
        Data::U8(a) => Tensor::from_array(a)?.into_dyn(),
        Data::I8(a) => Tensor::from_array(a)?.into_dyn(),
        Data::I32(a) => Tensor::from_array(a)?.into_dyn(),
        Data::I64(a) => Tensor::from_array(a)?.into_dyn(),
    })
}

fn data(value: &DynValue) -> std::result::Result<Data, String> {
    fn own<T: Clone>(a: ort::Result<ndarray::ArrayViewD<'_, T>>) -> std::result::Result<ArrayD<T>, String> {
        a.map(|a| a.as_standard_layout().into_owned()).map_err(|e| e.to_string())
    }
    match value.dtype().tensor_type() {
        Some(TensorElementType::Float32) => own(value.try_extract_array()).map(Data::F32),
        Some(TensorElementType::Uint8) => own(value.try_extract_array()).map(Data::U8),
        Some(TensorElementType::Int8) => own(value.try_extract_array()).map(Data::I8),
        Some(TensorElementType::Int32) => own(value.try_extract_array()).map(Data::I32),
        Some(TensorElementType::Int64) => own(value.try_extract_array()).map(Data::I64),
        other => Err(format!("an output of type {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let of = |file: &str, build: &str| version(Path::new(file), build);
        assert_eq!(of("/none/libonnxruntime.so.1.32.0", "").as_deref(), Some("1.32.0"));
        assert_eq!(of("/none/libonnxruntime.1.20.1.dylib", "").as_deref(), Some("1.20.1"));
        assert_eq!(of("/none/libonnxruntime.so", "git-branch=rel-1.22.0, x").as_deref(), Some("1.22.0"));
        assert_eq!(of("/none/libonnxruntime.so.1", "git-branch=HEAD"), None);
    }
}
