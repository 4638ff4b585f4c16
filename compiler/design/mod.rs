//! The netlist as data: parameters, memories, layers, streams, legal names. Text is made from it by `emit`.
//!
//! `plan` builds a [`Design`]; [`Design::check`] is the only way to a [`Checked`] one, and `emit` takes nothing else.

mod multipliers;

use serde::Serialize;

use crate::diag::{Diagnostic, Result, code};
pub use multipliers::Multipliers;

/// A legal Verilog identifier, not a keyword of Verilog or SystemVerilog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ident(String);

/// One parameter of `o2c_accelerator`.
#[derive(Clone, Debug, Serialize)]
pub struct Param {
    /// The Verilog parameter's name.
    pub name: &'static str,
    /// Its value.
    pub value: ParamValue,
}

/// A parameter's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// An integer.
    One(i64),
    /// 32 bits for each tensor of a stream, the first the lowest.
    Fields(Vec<i64>),
}

impl ParamValue {
    /// The integer, or the first of several.
    pub fn first(&self) -> i64 {
        match self {
            ParamValue::One(value) => *value,
            ParamValue::Fields(values) => values.first().copied().unwrap_or(0),
        }
    }
}

/// As Verilog has it.
impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ParamValue::One(value) => value.fmt(f),
            ParamValue::Fields(values) if values.len() == 1 => self.first().fmt(f),
            ParamValue::Fields(values) => {
                let parts: Vec<String> = values.iter().rev().map(|v| format!("32'd{v}")).collect();
                write!(f, "{{{}}}", parts.join(", "))
            }
        }
    }
}

/// A memory that the generated top initialises with `$readmemh`.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// File stem under `mem/`, e.g. `weights`.
    pub name: &'static str,
    /// The string parameter of `o2c_accelerator` that carries the hex file's path.
    pub param: &'static str,
    /// Bits of one word.
    pub width: usize,
    /// The words, each as little-endian bytes (`width.div_ceil(8)` of them), the unused top bits 0.
    #[serde(skip)]
    pub words: Vec<Vec<u8>>,
    /// One sentence for the manifest.
    pub what: &'static str,
    /// How a word is packed, least significant first, e.g. `K x C weights of 8 bits, channel fastest`.
    pub packing: String,
    /// The same for programs: what repeats in a word, from its least significant bit.
    pub fields: Vec<Field>,
}

/// A field of a memory word; it occurs `count` times, `stride` bits apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Field {
    /// Its name, e.g. `bias`.
    pub name: String,
    /// Lowest bit of the first one.
    pub lsb: usize,
    /// Bits.
    pub width: usize,
    /// Two's complement.
    pub signed: bool,
    /// How often it occurs in a word.
    pub count: usize,
    /// Bits from one to the next.
    pub stride: usize,
    /// What to add to the bits to get the value.
    pub add: i64,
}

/// A memory that holds working data only; for the inventory.
#[derive(Clone, Debug, Serialize)]
pub struct Storage {
    /// Instance name.
    pub name: &'static str,
    /// Bits of one word.
    pub width: usize,
    /// Words.
    pub depth: usize,
    /// Words below which no placement of its contents comes.
    pub least_depth: usize,
    /// One sentence.
    pub what: &'static str,
}

/// What a layer does with its operand: enough to compute its values from the memory images. Integers are canonical.
/// Folders of earlier versions lack fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// `array` (products with weights), `depthwise` (the same, each channel by itself), `maximum`, `sum`, or `float32 sum` of a window,
    /// `product` or `product by thresholds` of two operands.
    pub unit: String,
    /// How many of the operand's channels stand beside each other; each such part begins at a word of P*C channels. One
    /// part, unless it is a concatenation or made of one, channel for channel.
    pub operand_parts: Vec<usize>,
    /// The same of the result.
    pub parts: Vec<usize>,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Steps of the window.
    pub strides: [usize; 2],
    /// Distance of its taps.
    pub dilations: [usize; 2],
    /// Rows above, columns to the left, negative where the first ones are left out; below and to the right as far as the
    /// output reaches.
    pub pads: [i64; 2],
    /// Value of a tap outside the operand. Products: what is subtracted from the first factor.
    pub pad_value: i32,
    /// Products: what is subtracted from the second factor.
    pub factor_zero: i32,
    /// Products by thresholds: the second factor corrects them, else the first.
    pub correct_by_b: bool,
    /// In `weights`, channel `column * channels + channel` and one column stand for columns and channels.
    pub folded: bool,
    /// As well as `folded`: channel `(row * columns + column) * channels + channel`, one row and one column stand for
    /// rows, columns and channels.
    pub folded_rows: bool,
    /// The window at row r and column c of the walk gives row c and column r of the result; columns are computed one after
    /// the other then.
    pub exchanged: bool,
    /// Blocks of P*C channels that an output channel reads; the others' weights are 0 and not stored.
    pub blocks: usize,
    /// The first of them rises by so much for ...
    pub block_step: usize,
    /// ... so many blocks of K output channels.
    pub block_repeat: usize,
    /// Depthwise: for each row of the kernel its row of tiles, and of the window there.
    pub tap_rows: Vec<[usize; 2]>,
    /// Likewise columns.
    pub tap_columns: Vec<[usize; 2]>,
    /// First word in `weights`.
    pub weight_word: Option<u64>,
    /// First word in `parameters`.
    pub parameter_word: u64,
    /// The parameter word is counted by the number of taps inside the operand, from 1; else by output channels.
    pub by_taps: bool,
    /// Bounds of the requantized integer.
    pub q: [i32; 2],
    /// Which 256 entries of `table_a` and `table_b`, if any.
    pub table: Option<u64>,
    /// Ties of the tables' sum go to the odd integer.
    pub ties_to_odd: bool,
    /// The width of ties counts from the file's unsigned integers.
    pub ties_unsigned: bool,
    /// Bounds of the result, where there is a table.
    pub y: [i32; 2],
}

/// The size of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryShape {
    /// Its name.
    pub name: &'static str,
    /// Bits of a word.
    pub width: usize,
    /// Words.
    pub depth: usize,
    /// Written by the engine (true dual-port); else read only.
    pub working: bool,
}

/// A tensor that no layer writes: others beside each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Join {
    /// Its ONNX name.
    pub tensor: String,
    /// Theirs.
    pub of: Vec<JoinPart>,
}

/// Where a tensor is in a larger one: element `[c, h, w]` at `[channel + c, origin[0] + steps[0] * h, origin[1] +
/// steps[1] * w]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct JoinPart {
    /// Its ONNX name.
    pub tensor: String,
    /// First channel.
    pub channel: usize,
    /// First row and column.
    pub origin: [usize; 2],
    /// Rows and columns from one to the next.
    pub steps: [usize; 2],
}

/// One descriptor: a layer, or some of its output channels and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which layer.
    pub layer: usize,
    /// The first of its output channels, as a place among the words.
    pub place: usize,
    /// The first of its output rows, and how many there are.
    pub rows: [usize; 2],
}

/// One layer: one descriptor, or several.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Layer {
    /// The ONNX node's name, else its first output's, unique. A fused Add belongs to the later convolution.
    pub name: String,
    /// ONNX operators that the layer computes, e.g. `Conv+Add`.
    pub op: String,
    /// The integer graph's nodes that it computes: the one whose accumulator and requantized values
    /// the trace shows, and the one whose output is written (the same without a fused Add).
    pub first_node: u32,
    /// See `first_node`.
    pub last_node: u32,
    /// Channels, rows, columns of the main operand.
    pub input_shape: [usize; 3],
    /// Channels, rows, columns of the result.
    pub output_shape: [usize; 3],
    /// Activation and weight bits.
    pub bits: [u8; 2],
    /// Multiply-accumulates of the network's own layer (padding taps counted, alignment not).
    pub macs: u64,
    /// Cycles from this descriptor's issue to the next one's (the last layer: to the last byte written).
    pub cycles: u64,
    /// Bytes of weights and parameters that are loaded for it from external memory.
    pub loaded_bytes: u64,
    /// Bytes of activations that are loaded before its parts, and stored after them.
    pub moved_bytes: [u64; 2],
    /// Of the cycles, those in which it waits for them.
    pub wait_cycles: u64,
    /// The ONNX tensor that it writes.
    pub tensor: String,
    /// The ONNX tensors that it reads: the main operand, then an addition's other one.
    pub reads: Vec<String>,
    /// How its values are computed from memories and operands.
    pub recipe: Recipe,
    /// Whether it writes the output region, or a part of it.
    pub writes_output: bool,
    /// Canonical output scale, zero point and what to add to get the file's integers (0 or 128).
    pub output_quant: (f32, i32, i32),
}

/// One AXI4-Stream: one packet a sample, the tensors one after another.
#[derive(Clone, Debug, Serialize)]
pub struct Stream {
    /// Bytes a packet.
    pub bytes: usize,
    /// Cycles to move one sample when the other side never stalls; of the input, from the first byte until the sample is
    /// complete in the scratchpad; of the output, a byte a cycle, without the reads before a tensor's first byte.
    pub cycles: u64,
    /// What the packet holds, in its order.
    pub tensors: Vec<Tensor>,
}

/// A tensor in a packet: quantized bytes, NHWC, row-major.
#[derive(Clone, Debug, Serialize)]
pub struct Tensor {
    /// The integer graph's node that it is the value of.
    pub node: u32,
    /// The ONNX tensor's name.
    pub tensor: String,
    /// Channels, rows, columns.
    pub shape: [usize; 3],
    /// Its first byte in the packet.
    pub offset: usize,
    /// Its bytes.
    pub bytes: usize,
    /// `int8` or `uint8` on the wire.
    pub dtype: &'static str,
    /// Real value of one step, and the file's zero point.
    pub scale: f32,
    /// See `scale`.
    pub zero_point: i32,
    /// The unit between the tensor and the stream, if there is one; shape, type and scale are those behind it.
    pub head: Option<Head>,
}

/// A unit that turns the last tensor's bytes into a result's.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct Head {
    /// `ArgMax` or `Softmax`.
    pub unit: String,
    /// Bytes of the tensor that it takes at a time.
    pub length: usize,
    /// What it sends for them, in words.
    pub what: String,
    /// Of a Softmax: how far the number that it rounds lies from the real one at most, in steps of the output. Its byte
    /// differs from the real one's rounding only where that is so close to a tie.
    pub bound: Option<f64>,
}

/// Weights and parameters that lie in external memory, and the bus to it: parameters of `rtl/o2c_dma.v`.
#[derive(Clone, Debug, Serialize)]
pub struct External {
    /// Bits of a beat.
    pub bus_bits: usize,
    /// Most beats of a burst.
    pub burst: usize,
    /// Bursts under way at most.
    pub outstanding: usize,
    /// Cycles from a request to its first beat that the predicted cycles count on.
    pub latency: usize,
    /// The image, from the base register's address on; whole beats.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// Bytes after the image that activations are stored in and loaded from; whole beats. 0: the bus is read only.
    pub spill_bytes: usize,
}

/// Everything that the hand-off folder's RTL needs.
#[derive(Clone, Debug, Serialize)]
pub struct Design {
    /// The top module's name.
    pub name: Ident,
    /// P, C, K of the array.
    pub array: [usize; 3],
    /// What the array's multipliers are.
    pub multipliers: Multipliers,
    /// Requantize lanes.
    pub lanes: usize,
    /// Parameters of `o2c_accelerator`, in its order.
    pub params: Vec<Param>,
    /// Initialised memories.
    pub memories: Vec<Memory>,
    /// Working memories.
    pub storage: Vec<Storage>,
    /// Where weights and parameters come from external memory; the memory `commands` says when.
    pub external: Option<External>,
    /// Layers in execution order.
    pub layers: Vec<Layer>,
    /// Descriptors in the order of execution.
    pub steps: Vec<Step>,
    /// Concatenations, operands before what is made of them.
    pub joins: Vec<Join>,
    /// Input stream.
    pub input: Stream,
    /// Output stream.
    pub output: Stream,
    /// Total of the layers' cycles.
    pub cycles: u64,
    /// Files of `rtl/` that the design uses, in dependency order, e.g. `o2c_engine.v`.
    pub rtl_files: Vec<&'static str>,
}

/// A value that has been validated; only this module makes one.
#[derive(Clone, Debug)]
pub struct Checked<T>(T);

impl<T> std::ops::Deref for Checked<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Words that no generated name may be: Verilog-2005 and SystemVerilog keywords that tools trip over.
const KEYWORDS: &[&str] = &[
    "accept_on",
    "alias",
    "always",
    "always_comb",
    "always_ff",
    "always_latch",
    "and",
    "assert",
    "assign",
    "assume",
    "automatic",
    "before",
    "begin",
    "bind",
    "bins",
    "binsof",
    "bit",
    "break",
    "buf",
    "bufif0",
    "bufif1",
    "byte",
    "case",
    "casex",
    "casez",
    "cell",
    "chandle",
    "checker",
    "class",
    "clocking",
    "cmos",
    "config",
    "const",
    "constraint",
    "context",
    "continue",
    "cover",
    "covergroup",
    "coverpoint",
    "cross",
    "deassign",
    "default",
    "defparam",
    "design",
    "disable",
    "dist",
    "do",
    "edge",
    "else",
    "end",
    "endcase",
    "endchecker",
    "endclass",
    "endclocking",
    "endconfig",
    "endfunction",
    "endgenerate",
    "endgroup",
    "endinterface",
    "endmodule",
    "endpackage",
    "endprimitive",
    "endprogram",
    "endproperty",
    "endsequence",
    "endspecify",
    "endtable",
    "endtask",
    "enum",
    "event",
    "eventually",
    "expect",
    "export",
    "extends",
    "extern",
    "final",
    "first_match",
    "for",
    "force",
    "foreach",
    "forever",
    "fork",
    "forkjoin",
    "function",
    "generate",
    "genvar",
    "global",
    "highz0",
    "highz1",
    "if",
    "iff",
    "ifnone",
    "ignore_bins",
    "illegal_bins",
    "implements",
    "implies",
    "import",
    "incdir",
    "include",
    "initial",
    "inout",
    "input",
    "inside",
    "instance",
    "int",
    "integer",
    "interconnect",
    "interface",
    "intersect",
    "join",
    "join_any",
    "join_none",
    "large",
    "let",
    "liblist",
    "library",
    "local",
    "localparam",
    "logic",
    "longint",
    "macromodule",
    "matches",
    "medium",
    "modport",
    "module",
    "nand",
    "negedge",
    "nettype",
    "new",
    "nexttime",
    "nmos",
    "nor",
    "noshowcancelled",
    "not",
    "notif0",
    "notif1",
    "null",
    "or",
    "output",
    "package",
    "packed",
    "parameter",
    "pmos",
    "posedge",
    "primitive",
    "priority",
    "program",
    "property",
    "protected",
    "pull0",
    "pull1",
    "pulldown",
    "pullup",
    "pulsestyle_ondetect",
    "pulsestyle_onevent",
    "pure",
    "rand",
    "randc",
    "randcase",
    "randsequence",
    "rcmos",
    "real",
    "realtime",
    "ref",
    "reg",
    "reject_on",
    "release",
    "repeat",
    "restrict",
    "return",
    "rnmos",
    "rpmos",
    "rtran",
    "rtranif0",
    "rtranif1",
    "s_always",
    "s_eventually",
    "s_nexttime",
    "s_until",
    "s_until_with",
    "scalared",
    "sequence",
    "shortint",
    "shortreal",
    "showcancelled",
    "signed",
    "small",
    "soft",
    "solve",
    "specify",
    "specparam",
    "static",
    "string",
    "strong",
    "strong0",
    "strong1",
    "struct",
    "super",
    "supply0",
    "supply1",
    "sync_accept_on",
    "sync_reject_on",
    "table",
    "tagged",
    "task",
    "this",
    "throughout",
    "time",
    "timeprecision",
    "timeunit",
    "tran",
    "tranif0",
    "tranif1",
    "tri",
    "tri0",
    "tri1",
    "triand",
    "trior",
    "trireg",
    "type",
    "typedef",
    "union",
    "unique",
    "unsigned",
    "until",
    "until_with",
    "untyped",
    "use",
    "uwire",
    "var",
    "vectored",
    "virtual",
    "void",
    "wait",
    "wait_order",
    "wand",
    "weak",
    "weak0",
    "weak1",
    "while",
    "wildcard",
    "wire",
    "with",
    "within",
    "wor",
    "xnor",
    "xor",
];

impl Ident {
    /// Makes a legal identifier from any text: other characters become `_`; a leading digit, a
    /// keyword, the testbench's name and the library's prefix get a prefix of their own.
    pub fn legalise(text: &str) -> Ident {
        let mut s: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if s.is_empty()
            || s.starts_with(|c: char| c.is_ascii_digit())
            || KEYWORDS.contains(&s.to_lowercase().as_str())
        {
            s.insert_str(0, "n_");
        }
        s.truncate(100);
        // The library's modules and the testbench keep their names to themselves.
        if s.to_lowercase().starts_with("o2c_") || s == "tb" {
            s.insert_str(0, "n_");
        }
        Ident(s)
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Ident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Design {
    /// Hardware multipliers: those of the array, and of each requantize lane.
    pub fn hardware_multipliers(&self) -> usize {
        self.array_multipliers() + self.lanes * self.lane_multipliers()
    }

    /// Hardware multipliers of the array: one a product, a half where they are packed, none in LUTs.
    pub fn array_multipliers(&self) -> usize {
        if self.value("HAS_ARRAY") == 0 { 0 } else { self.multipliers.hardware(self.array.iter().product()) }
    }

    /// Products of 18 x 18 bits that one lane forms: each factor of `rtl/o2c_mul_split.v` that exceeds a limb is two; and
    /// one of `rtl/o2c_product.v`, where there is any.
    pub fn lane_multipliers(&self) -> usize {
        let product = usize::from(self.value("HAS_PRODUCT") != 0);
        // The signed factor is the accumulator, or its magnitude with a sign where there is an exact lane.
        let limbs = |bits: i64, limb: i64| if bits > limb { 2 } else { 1 };
        limbs(self.value("ACC_W") + self.value("EXACT"), 18) * limbs(self.value("MUL_W"), 17) + product
    }

    /// A parameter's value (the first tensor's), 0 for one that is not set.
    pub fn value(&self, name: &str) -> i64 {
        self.params.iter().find(|p| p.name == name).map_or(0, |p| p.value.first())
    }

    /// Every memory.
    pub fn memory_shapes(&self) -> impl Iterator<Item = MemoryShape> {
        let shape = |name, width, depth, working| MemoryShape { name, width, depth, working };
        let initialised = self.memories.iter().map(move |m| shape(m.name, m.width, m.words.len(), false));
        initialised.chain(self.storage.iter().map(move |s| shape(s.name, s.width, s.depth, true)))
    }

    /// Whether activations are written to external memory.
    #[must_use]
    pub fn spills(&self) -> bool {
        self.external.as_ref().is_some_and(|e| e.spill_bytes > 0)
    }

    /// Validates what `emit` relies on: word sizes, unique names, sums that agree.
    ///
    /// # Errors
    /// O2C0900 names the inconsistency: it is always a fault of the compiler.
    pub fn check(self) -> Result<Checked<Design>> {
        let fail =
            |cause: String| Err(Diagnostic::new(code::INTERNAL, "the design is inconsistent", cause).into());
        for m in &self.memories {
            let bytes = m.width.div_ceil(8);
            if m.words.is_empty() || m.words.iter().any(|w| w.len() != bytes) {
                return fail(format!("memory {}: a word is not {bytes} bytes, or there is none", m.name));
            }
            let spare = 8 * bytes - m.width;
            if spare > 0 && m.words.iter().any(|w| w[bytes - 1] >> (8 - spare) != 0) {
                return fail(format!("memory {}: bits above the width are set", m.name));
            }
        }
        if let Some(e) = &self.external {
            let bus = e.bus_bits / 8;
            if bus == 0 || e.bytes.is_empty() || e.bytes.len() % bus != 0 || e.spill_bytes % bus != 0 {
                let cause = format!(
                    "external memory: {} and {} bytes on a bus of {bus}",
                    e.bytes.len(),
                    e.spill_bytes
                );
                return fail(cause);
            }
            let spill = usize::from(e.spill_bytes > 0);
            let params = [
                ("EXT", 1),
                ("BUS_W", e.bus_bits),
                ("BURST", e.burst),
                ("OUTSTANDING", e.outstanding),
                ("SPILL", spill),
            ];
            for (name, value) in params {
                if usize::try_from(self.value(name)) != Ok(value) {
                    return fail(format!("external memory: {name} is not {value}"));
                }
            }
            if !self.memories.iter().any(|m| m.param == "CMD_INIT" && m.width == 128 + 64 * spill) {
                return fail("external memory: there are no commands".into());
            }
        } else if self.value("EXT") != 0 {
            return fail("EXT is set, and there is no external memory".into());
        }
        let mut names: Vec<_> = self.layers.iter().map(|l| l.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|w| w[0] == w[1]) {
            return fail("two layers have the same name".into());
        }
        if self.layers.iter().map(|l| l.cycles).sum::<u64>() != self.cycles {
            return fail("the layers' cycles do not sum to the total".into());
        }
        for s in [&self.input, &self.output] {
            let mut next = 0;
            for t in &s.tensors {
                if t.shape.iter().product::<usize>() != t.bytes || t.offset != next {
                    let cause = format!(
                        "stream {}: {} bytes at {} for shape {:?}",
                        t.tensor, t.bytes, t.offset, t.shape
                    );
                    return fail(cause);
                }
                next += t.bytes;
            }
            if s.tensors.is_empty() || next != s.bytes {
                return fail(format!("a packet of {} bytes holds {next}", s.bytes));
            }
        }
        Ok(Checked(self))
    }
}
