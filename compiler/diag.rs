//! Every diagnostic: a stable code, the ONNX node it concerns, the cause and the remedy.
//!
//! A user's fault becomes a [`Diagnostic`]; several are collected in [`Diagnostics`], so that one run
//! lists every unsupported thing. Each code stands once in [`CODES`], the table that `docs/diagnostics.md`
//! is generated from and that the tests walk.

use serde::Serialize;

/// A stable diagnostic code, printed as `O2C0123`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "O2C{:04}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// One line of the code table: what the code means, for `docs/diagnostics.md`.
#[derive(Clone, Copy, Debug)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// One sentence: what is wrong.
    pub title: &'static str,
    /// What a user can do about it.
    pub help: &'static str,
}

macro_rules! codes {
    ($($(#[$m:meta])* $name:ident = $num:literal, $title:literal, $help:literal;)*) => {
        /// The codes by name.
        pub mod code {
            use super::Code;
            $($(#[$m])* #[doc = $title] pub const $name: Code = Code($num);)*
        }
        /// Every code, ascending: 00xx files, 01xx the model, 02xx operators and attributes,
        /// 03xx quantization, 04xx planning, 05xx input data, 06xx hand-off folders and tools, 09xx internal.
        pub const CODES: &[CodeInfo] = &[$(CodeInfo { code: Code($num), title: $title, help: $help }),*];
    };
}

codes! {
    FILE_UNREADABLE = 1, "a file can't be read", "check the path and its permissions";
    FILE_UNWRITABLE = 2, "a file or folder can't be written", "choose another output folder or make it writable";
    OUTPUT_EXISTS = 3, "the output path holds something that is not a hand-off folder", "choose an empty or new folder";
    CONFIG_INVALID = 4, "an option or the configuration file is not valid", "see `onnx2chip compile --help`";
    NOT_ONNX = 10, "the file is not an ONNX model", "export the model again; the file may be truncated";
    LIMIT_EXCEEDED = 11, "a safety limit is exceeded", "the limits are listed in docs/diagnostics.md";
    EXTERNAL_DATA = 12, "external tensor data can't be used", "keep the data file beside the model, with a relative path";
    TENSOR_INVALID = 13, "a tensor's data do not fit its declared type and shape", "export the model again";
    GRAPH_INVALID = 100, "the graph is not well formed", "run onnx.checker on the model";
    OPSET_UNSUPPORTED = 101, "the opset version is not supported", "convert the model with onnx.version_converter";
    SHAPE_UNKNOWN = 102, "a shape can't be determined", "fix symbolic dimensions before export";
    SHAPE_MISMATCH = 103, "shapes do not agree", "run onnx.shape_inference with strict_mode on the model";
    OP_UNSUPPORTED = 200, "the operator is not supported", "see the operator table in docs/operators.md";
    ATTRIBUTE_UNSUPPORTED = 201, "an attribute has a value that is not supported", "change the attribute or the export settings";
    ATTRIBUTE_UNKNOWN = 202, "an attribute is not known for this operator", "remove it, or convert the model to a supported opset";
    INPUT_UNSUPPORTED = 203, "an operand is of a kind that is not supported here", "see the operator table in docs/operators.md";
    LAYOUT_UNSUPPORTED = 204, "a layout change can't be absorbed", "keep one layout between the quantized layers";
    FLOAT_ISLAND = 300, "a float operator stands between quantized ones", "quantize the tensor, or move the operator to the edge of the graph";
    NOT_QUANTIZED = 301, "a tensor that the hardware has to compute is not quantized", "quantize the model, for example with onnxruntime.quantization";
    WIDTH_UNSUPPORTED = 302, "a bit width is not supported", "use activations and weights of at most 8 bits";
    SCALE_INVALID = 303, "a scale or zero point is not valid", "requantize the model: scales must be finite and above 0";
    ACCUMULATOR_OVERFLOW = 304, "an accumulator may leave int32", "reduce the layer's fan-in or its bias";
    RESCALE_INFEASIBLE = 305, "no integer form of a rescale could be proved", "report this model; it is not expected";
    ARRAY_INVALID = 400, "the array shape is not valid", "give P,C,K as powers of two";
    BUDGET_EXCEEDED = 401, "the network does not fit the budget", "raise the budget to the figure named";
    INPUT_DATA_INVALID = 500, "the input data do not fit the model", "stack samples on the first axis in the model's own type and layout";
    NO_REFERENCE = 501, "ONNX Runtime is not available", "pip install onnxruntime, or set ORT_DYLIB_PATH";
    HANDOFF_INVALID = 600, "the folder is not a hand-off folder, or was altered", "compile it again";
    TOOL_MISSING = 601, "a tool is missing", "install the tool named";
    TOOL_FAILED = 602, "a tool failed", "read its log";
    INTERNAL = 900, "a fault of onnx2chip's own", "report it with the model if you can";
}

/// One fault, complete: where, why, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code.
    pub code: Code,
    /// What is wrong, one sentence, lower case, no full stop.
    pub message: String,
    /// The ONNX node (or tensor, or file) concerned, if there is one, e.g. `node "conv1" (Conv)`.
    pub node: Option<String>,
    /// Why it is wrong.
    pub cause: String,
    /// What the user can do.
    pub remedy: String,
}

impl Diagnostic {
    /// A diagnostic with the code's own remedy and no node.
    pub fn new(code: Code, message: impl Into<String>, cause: impl Into<String>) -> Self {
        let help = CODES.iter().find(|c| c.code == code).map_or("", |c| c.help);
        Diagnostic { code, message: message.into(), node: None, cause: cause.into(), remedy: help.into() }
    }
    /// Names the place.
    #[must_use]
    pub fn at(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }
    /// Replaces the remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "error[{}]: {}", self.code, self.message)?;
        if let Some(place) = &self.node {
            // A place says what it is, e.g. `folder out`; nodes are shown with their kind and name.
            match place.split_once(' ') {
                Some((kind @ ("file" | "folder"), rest)) => writeln!(f, "{kind:>7}: {rest}")?,
                _ => writeln!(f, "   node: {place}")?,
            }
        }
        writeln!(f, "  cause: {}", self.cause)?;
        write!(f, " remedy: {}", self.remedy)
    }
}

/// Places that a merged diagnostic names.
const PLACES: usize = 3;

impl Diagnostics {
    /// Those that differ in their place only as one, which names the first places and how many there are.
    #[must_use]
    pub fn merged(&self) -> Diagnostics {
        let mut groups: Vec<(Diagnostic, Vec<&str>)> = Vec::new();
        for d in &self.0 {
            let plain = Diagnostic { node: None, ..d.clone() };
            let place = d.node.as_deref();
            match groups.iter_mut().find(|(g, _)| *g == plain) {
                Some((_, places)) => places.extend(place),
                None => groups.push((plain, place.into_iter().collect())),
            }
        }
        let merged = groups.into_iter().map(|(d, places)| match places.len() {
            0 => d,
            n if n > PLACES => d.at(format!("{}, ... ({n} in all)", places[..PLACES].join(", "))),
            _ => d.at(places.join(", ")),
        });
        Diagnostics(merged.collect())
    }
}

/// One or more faults; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{d}")?;
        }
        Ok(())
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Self {
        Diagnostics(vec![d])
    }
}

/// The result of everything that a user's input can make fail.
pub type Result<T> = std::result::Result<T, Diagnostics>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let fault = |place: &str| Diagnostic::new(code::OP_UNSUPPORTED, "m", "c").remedy("r").at(place);
        let shown = |places: &[&str]| {
            Diagnostics(places.iter().map(|p| fault(p)).collect()).merged().to_string().replace('\n', "|")
        };
        let around = |place: &str| format!("error[O2C0200]: m|{place}|  cause: c| remedy: r");
        assert_eq!(shown(&["node \"a\""]), around("   node: node \"a\""));
        assert_eq!(shown(&["folder /x y"]), around(" folder: /x y"));
        assert_eq!(shown(&["a", "b"]), around("   node: a, b"));
        assert_eq!(shown(&["a", "b", "c", "d"]), around("   node: a, b, c, ... (4 in all)"));
        let other = Diagnostics(vec![fault("a"), Diagnostic::new(code::INTERNAL, "m", "c")]);
        assert_eq!(other.merged(), other);
    }
}
