//! Golden vectors: what goes in, what comes out, and what every stage of every layer holds on the way.

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::{WritableElement, WriteNpyExt};

use super::{File, Package, internal, memory::hex_word, stream_bytes};
use crate::design::{Stream, Tensor};
use crate::diag::Result;
use crate::exec::{Data, npy as arrays};

/// The golden values of one layer of one sample, each row-major `[channel, row, column]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerVectors {
    /// sum (x - zx)(w - zw) + bias; empty for a layer without an accumulator (maximum pooling).
    pub acc: Vec<i32>,
    /// Requantized, canonical, before a fused table, clamp or addition; empty where `acc` is.
    pub q: Vec<i8>,
    /// Written, canonical.
    pub y: Vec<i8>,
}

/// The golden values of one sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleVectors {
    /// The input stream's bytes, as on the wire.
    pub input: Vec<u8>,
    /// One for each layer of the design.
    pub layers: Vec<LayerVectors>,
    /// The output stream's bytes, as on the wire.
    pub output: Vec<u8>,
}

/// An array for testing the host's steps.
#[derive(Clone, Debug, PartialEq)]
pub struct HostArray {
    /// The file's name, without ending.
    pub name: String,
    /// What it is.
    pub what: String,
    /// Its elements.
    pub data: Data,
}

/// The golden values of all samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// At least one.
    pub samples: Vec<SampleVectors>,
    /// What the host starts from, what it ends with (the model's own arrays, samples first), and its constants.
    pub host: Vec<HostArray>,
    /// For each byte of an input or output packet the element of the host's tensor (row-major, one sample), where the
    /// model changes the layout.
    pub order: Vec<HostArray>,
}

/// An array as the bytes of a `.npy` file.
pub(super) fn npy<T: WritableElement>(shape: &[usize], data: Vec<T>) -> std::result::Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let array = ArrayD::from_shape_vec(IxDyn(shape), data).map_err(|e| e.to_string())?;
    array.write_npy(&mut out).map_err(|e| e.to_string())?;
    Ok(out)
}

/// Adds `vectors/`.
pub(super) fn add(package: &Package<'_>, out: &mut Vec<File>) -> Result<()> {
    let (design, samples) = (package.design, &package.vectors.samples);
    if samples.is_empty() {
        return Err(internal("there is no golden sample"));
    }
    if samples.iter().any(|s| s.layers.len() != design.layers.len()) {
        return Err(internal("a golden sample does not have every layer"));
    }
    let beat = stream_bytes(design)?;
    stream(&design.input, "input", beat, samples.iter().map(|s| s.input.as_slice()), out)?;
    stream(&design.output, "output", beat, samples.iter().map(|s| s.output.as_slice()), out)?;
    for HostArray { data, name, what } in &package.vectors.host {
        let mut file = File::bytes(format!("vectors/{name}.npy"), what, arrays::to_bytes(data)?);
        file.entry.shape = Some(data.shape().to_vec());
        let (width, sign) = match data {
            Data::F32(_) => (32, "float"),
            Data::U8(_) => (8, "unsigned"),
            Data::I8(_) => (8, "signed"),
            Data::I32(_) => (32, "signed"),
            Data::I64(_) => (64, "signed"),
        };
        file.entry.width = Some(width);
        file.entry.sign = Some(sign.into());
        let layout = if name.starts_with("host_constant") {
            "its own axes, which broadcast as ONNX's do; row-major; .npy"
        } else {
            "the model's own axes, samples on the first; row-major; .npy"
        };
        file.entry.layout = Some(layout.into());
        file.entry.endianness = Some("little".into());
        out.push(file);
    }
    for HostArray { data, name, what } in &package.vectors.order {
        let mut file = File::bytes(format!("vectors/{name}.npy"), what, arrays::to_bytes(data)?);
        file.entry.shape = Some(data.shape().to_vec());
        file.entry.width = Some(64);
        file.entry.sign = Some("signed".into());
        file.entry.layout = Some("byte of the packet; .npy".into());
        file.entry.endianness = Some("little".into());
        out.push(file);
    }
    let n = samples.len();
    for (i, layer) in design.layers.iter().enumerate() {
        let [c, h, w] = layer.output_shape;
        let mut stage = |name: &str, what: &str, width: usize, bytes: Vec<u8>| {
            let path = format!("vectors/l{i:03}_{name}.npy");
            let mut file = File::bytes(
                path,
                format!("layer {:?}, tensor {:?}: {what}", layer.name, layer.tensor),
                bytes,
            );
            let e = &mut file.entry;
            e.shape = Some(vec![n, c, h, w]);
            e.width = Some(width);
            e.sign = Some("signed".into());
            e.layout = Some("sample, channel, row, column; row-major; .npy".into());
            e.endianness = Some("little".into());
            out.push(file);
        };
        let shape = [n, c, h, w];
        let fit = |e: String| internal(format!("golden values of layer {:?}: {e}", layer.name));
        let gather = |f: fn(&LayerVectors) -> &[i8]| -> Vec<i8> {
            samples.iter().flat_map(|s| f(&s.layers[i]).iter().copied()).collect()
        };
        let acc: Vec<i32> = samples.iter().flat_map(|s| s.layers[i].acc.iter().copied()).collect();
        if !acc.is_empty() {
            stage("acc", "accumulator with bias", 32, npy(&shape, acc).map_err(fit)?);
            let q = npy(&shape, gather(|l| &l.q)).map_err(fit)?;
            stage("q", "requantized, before a fused table, clamp or addition", 8, q);
        }
        stage(
            "y",
            "output, canonical (uint8 tensors minus 128)",
            8,
            npy(&shape, gather(|l| &l.y)).map_err(fit)?,
        );
    }
    Ok(())
}

/// The file of a tensor's golden bytes.
pub(super) fn file(stream: &Stream, name: &str, tensor: usize) -> String {
    if stream.tensors.len() == 1 {
        format!("vectors/{name}.npy")
    } else {
        format!("vectors/{name}_{tensor}.npy")
    }
}

/// An array of bytes, signed or not.
fn array(
    path: String,
    what: String,
    shape: &[usize],
    (bytes, signed): (Vec<u8>, bool),
    layout: &str,
) -> Result<File> {
    let bytes = if signed {
        npy(shape, bytes.iter().map(|b| i8::from_le_bytes([*b])).collect())
    } else {
        npy(shape, bytes)
    };
    let mut file = File::bytes(path, what, bytes.map_err(internal)?);
    file.entry.shape = Some(shape.to_vec());
    file.entry.width = Some(8);
    file.entry.sign = Some(if signed { "signed" } else { "unsigned" }.into());
    file.entry.layout = Some(layout.into());
    file.entry.endianness = Some("little".into());
    Ok(file)
}

fn stream<'a>(
    stream: &Stream,
    name: &str,
    beat: usize,
    samples: impl Iterator<Item = &'a [u8]> + Clone,
    out: &mut Vec<File>,
) -> Result<()> {
    let n = samples.clone().count();
    if samples.clone().any(|s| s.len() != stream.bytes) {
        return Err(internal(format!("a golden {name} packet is not {} bytes", stream.bytes)));
    }
    if stream.tensors.len() > 1 {
        let all: Vec<u8> = samples.clone().flatten().copied().collect();
        let what = format!("the {name} stream's bytes");
        let layout = "sample, byte of the packet; row-major; .npy";
        out.push(array(format!("vectors/{name}.npy"), what, &[n, stream.bytes], (all, false), layout)?);
    }
    for (k, tensor) in stream.tensors.iter().enumerate() {
        let Tensor { shape: [c, h, w], offset, bytes, .. } = *tensor;
        let part: Vec<u8> = samples.clone().flat_map(|s| &s[offset..offset + bytes]).copied().collect();
        let what = match &tensor.head {
            Some(head) => {
                format!("the {name} stream's bytes, from tensor {:?}: {}", tensor.tensor, head.what)
            }
            None => format!("the {name} stream's bytes, tensor {:?}", tensor.tensor),
        };
        let layout = "sample, row, column, channel; row-major; .npy";
        let signed = tensor.dtype == "int8";
        out.push(array(file(stream, name, k), what, &[n, h, w, c], (part, signed), layout)?);
    }

    let mut text = String::new();
    let mut beats = 0;
    for sample in samples {
        for chunk in sample.chunks(beat) {
            let mut word = chunk.to_vec();
            word.resize(beat, 0);
            text.push_str(&hex_word(&word, 8 * beat));
            text.push('\n');
            beats += 1;
        }
    }
    let mut file = File::text(
        format!("vectors/{name}.hex"),
        format!("the {name} stream's beats for the Verilog testbench, samples one after another"),
        text,
    );
    file.entry.shape = Some(vec![beats]);
    file.entry.width = Some(8 * beat);
    file.entry.sign = Some("packed".into());
    file.entry.layout = Some("hexadecimal text for $readmemh, one beat a line".into());
    file.entry.packing =
        Some(format!("{beat} bytes of the stream; a packet's last beat is filled with zeros"));
    file.entry.endianness = Some("first byte in the least significant bits".into());
    out.push(file);
    Ok(())
}
