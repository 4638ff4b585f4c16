//! `manifest.json`: what every file is, well enough to use it without reading the source.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{FORMAT, File, internal, stream_bytes};
use crate::design::{Design, Field, Join, Recipe, Stream};
use crate::diag::{Diagnostic, Result, code};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path in the folder, `/` between parts.
    pub path: String,
    /// One sentence.
    pub what: String,
    /// Elements along each axis.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shape: Option<Vec<usize>>,
    /// Bits of one element.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<usize>,
    /// `signed` (two's complement), `unsigned`, `float` or `packed` (see `packing`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sign: Option<String>,
    /// Meaning and order of the axes, and the file's encoding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layout: Option<String>,
    /// What stands where in one word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub packing: Option<String>,
    /// The fields of a word, where it has several or they repeat.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub fields: Vec<Field>,
    /// Byte or element order inside a word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub endianness: Option<String>,
    /// Size in bytes.
    pub bytes: usize,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}

impl Entry {
    pub(super) fn new(path: String, what: String, bytes: &[u8]) -> Entry {
        Entry {
            path,
            what,
            shape: None,
            width: None,
            sign: None,
            layout: None,
            packing: None,
            fields: Vec::new(),
            endianness: None,
            bytes: bytes.len(),
            sha256: digest(bytes),
        }
    }
}

/// The whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The compiler and its version.
    pub generator: String,
    /// Top module.
    pub top: String,
    /// Data bits of both streams.
    #[serde(default)]
    pub stream_bits: usize,
    /// The tensors of an input packet, one after another, each in row, column, channel order.
    #[serde(default)]
    pub input: Vec<PacketEntry>,
    /// Those of an output packet.
    #[serde(default)]
    pub output: Vec<PacketEntry>,
    /// How a layer's values follow from its operands and the memories, step by step.
    #[serde(default)]
    pub formulas: Vec<String>,
    /// The layers in execution order.
    #[serde(default)]
    pub layers: Vec<LayerEntry>,
    /// Tensors that no layer writes: concatenations of others along the channels.
    #[serde(default)]
    pub joins: Vec<Join>,
    /// Every other file of the folder, ascending by path.
    pub files: Vec<Entry>,
}

/// A tensor in a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketEntry {
    /// Its ONNX name.
    pub tensor: String,
    /// Channels, rows, columns.
    pub shape: [usize; 3],
    /// Its first byte.
    pub offset: usize,
    /// Its bytes.
    pub bytes: usize,
    /// Type on the wire.
    pub dtype: String,
    /// Its golden bytes, sample by sample.
    pub golden: String,
}

/// What a layer computes and where its golden values are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerEntry {
    /// Its name in the report.
    pub name: String,
    /// ONNX operators.
    pub op: String,
    /// The ONNX tensor that it writes.
    pub tensor: String,
    /// The ONNX tensors that it reads: the main operand, then a product's other one, then an addition's.
    pub reads: Vec<String>,
    /// Channels, rows, columns of the main operand.
    pub input_shape: [usize; 3],
    /// Channels, rows, columns of the result.
    pub output_shape: [usize; 3],
    /// What to add to a canonical value of the result to get the file's: 0 or 128.
    pub offset: i32,
    /// The computation.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Golden files below `vectors/`.
    pub golden: Vec<String>,
}

/// The formulas that the hardware computes, in the terms of [`LayerEntry`] and of the memories' fields.
fn formulas(d: &Design) -> Vec<String> {
    let value = |name: &str| d.params.iter().find(|p| p.name == name).map_or(0, |p| p.value.first());
    let [p, c, k] = d.array;
    let (w, r, shift) = (p * c, d.lanes, value("TABLE_SHIFT"));
    let mut lines = vec![
        "values are canonical integers of 8 bits: those of the file minus the tensor's offset, 128 where the file's are unsigned and 0 else; vectors/input.npy and output.npy hold the file's".to_owned(),
        format!("array: acc[o] = bias[o] + the sum over window rows, columns and channels of x * weight; taps outside have x = pad_value. The place of a channel of the operand is channel plus, for each of operand_parts before it, what that one lacks to a multiple of {w}; the place of o likewise by parts; below, channel and o stand for their places. With b = channel / {w} - block_step * (o / {k} / block_repeat), the weight is 0 unless 0 <= b < blocks; its word in weights is weight_word + ((((o / {k}) * kernel rows + row) * kernel columns + column) * blocks + b) * {p} + (channel % {w}) / {c}; in the word, weight (o % {k}) * {c} + channel % {c}. folded: first replace channel by column * channels + channel, channels by kernel columns * channels, kernel columns by 1, column by 0; folded_rows: then channel by row * channels + channel, kernel rows by 1, row by 0. exchanged: the window that stands at row r and column c gives row c and column r of the result"),
        format!("depthwise: acc[o] = bias[o] + the sum over window rows and columns of x[o] * weight. tap_rows tells each row's tile and its row there, tap_columns each column's; tiles are counted from 0, m below and n beside each other. With l = 4 * tap_rows[row][1] + tap_columns[column][1], the weight is in word weight_word + ((o / {w} * m + tap_rows[row][0]) * n + tap_columns[column][0]) * {p} + l / {c} of weights, weight o % {w} * {c} + l % {c}"),
        format!("array, depthwise: channel o, at its place, has field o % {r} of the word parameter_word + o / {r} of parameters"),
        "sum: acc = bias + the sum of the window, with the parameters of word parameter_word + (by_taps ? taps inside - 1 : 0)".to_owned(),
        "product: acc = bias + (a - pad_value) * (b - factor_zero), a of the main operand, b of the next one at the same channel, row and column, or at 0 along an axis where it has one; parameters as for sum".to_owned(),
        "maximum: acc = bias + the greatest x of the window; taps outside do not count; the parameters of word parameter_word".to_owned(),
        "requantize, exact = 0 or not there: q = clamp((acc * multiplier + offset) >> shift, q[0], q[1]), arithmetic shift (rounds down)".to_owned(),
    ];
    if value("EXACT") != 0 {
        lines.push("requantize, exact = 1: a = |acc| rounded to 24 significant bits, nearest even; p = a * multiplier; n = p / 2^shift rounded to nearest, where everything with |p mod 2^shift - 2^(shift-1)| <= 2^(shift + bitlength(p >> shift) - 25) is a tie (exact ties only where that is below 1) and ties go to even; q = clamp((acc < 0 ? -n : n) + offset, q[0], q[1]). Equal to clamp(rint(float32(acc) * float32(multiplier * 2^-shift)) + offset)".to_owned());
    }
    if value("HAS_TABLE") != 0 {
        lines.push(format!("table: s = table_a[256 * table + q + 128], for an addition plus table_b[256 * table + x + 128] of the other operand's x at the same place; v = s >> {shift}"));
        if shift > 0 {
            lines.push(format!("table, rounding: one half is in s already. Where s mod 2^{shift} = 0 there is a tie below v: v - 1 if v is odd (ties_to_odd: even). {}", if value("TABLE_WINDOW") != 0 { "Ties are as wide as float32 makes them: the header of rtl/o2c_table_round.v has the formula" } else { "" }).trim_end().to_owned());
        }
        lines.push("table: the result is clamp(v, y[0], y[1])".to_owned());
    }
    if value("HAS_PRODUCT") != 0 && value("FLOAT_W") != 0 {
        lines.push("product by thresholds: acc as for a product, q from acc, c = table_b[256 * table + (correct_by_b ? b : a) + 128], the result is q + (256 * acc >= table_a[256 * table + q + 128] + (acc < 0 ? 255 - c : c))".to_owned());
    }
    if value("FLOAT_W") >= 34 {
        lines.push("float32 sum: the header of rtl/o2c_pool_float.v makes p; q from acc as for sum, the result is q + (p >= table_a[256 * (table + field table of the parameter word) + q + 128])".to_owned());
    }
    lines.push("no table: the result is q".to_owned());
    for tensor in &d.output.tensors {
        let Some(head) = &tensor.head else { continue };
        lines.push(format!(
            "output {:?}: not the tensor's bytes (row, column, channel), but {}",
            tensor.tensor, head.what
        ));
        if head.bound.is_some() {
            lines.push(format!("output {:?}, Softmax: x of {n} bytes, d = the greatest x - x, s = the sum of field term of the words d of softmax, the byte is ({zero} + min(field quotient of the word d / s, rounded to nearest, ties to even; {most})) mod 256", tensor.tensor, n = head.length, zero = value("HEAD_ZERO"), most = value("HEAD_MOST")));
        }
    }
    lines
}

fn packet(stream: &Stream, name: &str) -> Vec<PacketEntry> {
    let entry = |(k, t): (usize, &crate::design::Tensor)| PacketEntry {
        tensor: t.tensor.clone(),
        shape: t.shape,
        offset: t.offset,
        bytes: t.bytes,
        dtype: t.dtype.into(),
        golden: super::vectors::file(stream, name, k),
    };
    stream.tensors.iter().enumerate().map(entry).collect()
}

impl Manifest {
    pub(super) fn new(design: &Design, files: &[File]) -> Result<Manifest> {
        let golden = |i: usize| {
            let of = move |f: &&File| f.entry.path.starts_with(&format!("vectors/l{i:03}_"));
            files.iter().filter(of).map(|f| f.entry.path.clone()).collect()
        };
        let layers = design.layers.iter().enumerate().map(|(i, l)| LayerEntry {
            name: l.name.clone(),
            op: l.op.clone(),
            tensor: l.tensor.clone(),
            reads: l.reads.clone(),
            input_shape: l.input_shape,
            output_shape: l.output_shape,
            offset: l.output_quant.2,
            recipe: l.recipe.clone(),
            golden: golden(i),
        });
        Ok(Manifest {
            format: FORMAT.into(),
            generator: concat!("onnx2chip ", env!("CARGO_PKG_VERSION")).into(),
            top: design.name.to_string(),
            stream_bits: 8 * stream_bytes(design)?,
            input: packet(&design.input, "input"),
            output: packet(&design.output, "output"),
            formulas: formulas(design),
            layers: layers.collect(),
            joins: design.joins.clone(),
            files: files.iter().map(|f| f.entry.clone()).collect(),
        })
    }
    /// The file's text.
    ///
    /// # Errors
    /// O2C0900 if it can't be encoded.
    pub fn to_json(&self) -> Result<String> {
        let mut s = serde_json::to_string_pretty(self).map_err(|e| internal(e.to_string()))?;
        s.push('\n');
        Ok(s)
    }
    /// Replaces size and digest of a file that was written again.
    pub(crate) fn update(&mut self, path: &str, bytes: &[u8]) {
        for e in self.files.iter_mut().filter(|e| e.path == path) {
            e.bytes = bytes.len();
            e.sha256 = digest(bytes);
        }
    }
}

/// SHA-256, lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of a file, lower-case hex, read in pieces.
///
/// # Errors
/// O2C0001 if it can't be read.
pub fn file_digest(path: &std::path::Path) -> Result<String> {
    let fail = |e: std::io::Error| {
        Diagnostic::new(code::FILE_UNREADABLE, "the file can't be read", e.to_string())
            .at(format!("file {}", path.display()))
    };
    let mut file = std::fs::File::open(path).map_err(fail)?;
    let mut sha = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut piece).map_err(fail)? {
            0 => break,
            n => sha.update(&piece[..n]),
        }
    }
    Ok(sha.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
