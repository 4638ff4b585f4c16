//! The options of `compile`, from the command line and from a TOML file; the command line wins.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use onnx2chip::Options;
use onnx2chip::design::Multipliers as Kind;
use onnx2chip::diag::{Diagnostic, Diagnostics, Result, code};
use onnx2chip::emit::MemFormat;
use onnx2chip::plan::{Wish, external};
use onnx2chip::quant::RescaleMode;
use serde::Deserialize;

/// How accumulators become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rescale {
    /// Equal to ONNX Runtime on every reachable accumulator, proved.
    Exact,
    /// Torch2Chip's fixed format; the report counts the accumulators that differ.
    Fixed,
}

/// Where ArgMax, TopK of one element and a quantized Softmax behind the last layer run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Heads {
    /// On the accelerator, where it can.
    Hardware,
    /// On the host.
    Host,
}

impl From<Heads> for onnx2chip::Heads {
    fn from(heads: Heads) -> onnx2chip::Heads {
        match heads {
            Heads::Hardware => onnx2chip::Heads::Hardware,
            Heads::Host => onnx2chip::Heads::Host,
        }
    }
}

/// What the array's multipliers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Multipliers {
    /// By the target: LUTs where it has no multipliers, packed where two products fit one, else inferred.
    Auto,
    /// A `*` for each product, for the device's tools to map.
    Infer,
    /// LUTs alone.
    Lut,
    /// Two products that share a factor in one multiplier of 25 x 18 bits or more; without the depthwise mode.
    Packed,
}

/// Every option of `compile` that a file may hold; the fields are the keys.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Array shape: pixels, channels, outputs at once; powers of two [default: 4,4,16, or the fastest that fits --target]
    #[arg(long, value_name = "P,C,K", value_parser = array, conflicts_with = "macs")]
    array: Option<Array>,
    /// Search the array shape with at most this many products a cycle that needs the fewest cycles and fits --target
    #[arg(long, value_name = "N")]
    macs: Option<usize>,
    /// Requantize lanes [default: by the array shape]
    #[arg(long, value_name = "R")]
    lanes: Option<usize>,
    /// Data bits of both AXI4-Streams, a power of two from 8 to 512 [default: 32]
    #[arg(long, value_name = "N")]
    stream_bits: Option<usize>,
    /// KiB of all memories on the chip: weights, parameters and tensors that exceed them are in external memory, behind an AXI4 master; layers run strip by strip where that saves memory [default: everything is on the chip]
    #[arg(long, value_name = "KIB")]
    on_chip: Option<usize>,
    /// With --on-chip: data bits of the AXI4 master, a power of two from 32 to 512 [default: 128]
    #[arg(long, value_name = "N")]
    bus_bits: Option<usize>,
    /// With --on-chip: most beats of a burst, a power of two from 1 to 256 [default: 64]
    #[arg(long, value_name = "N")]
    burst: Option<usize>,
    /// With --on-chip: most bursts under way, 1 to 16 [default: 8]
    #[arg(long, value_name = "N")]
    outstanding: Option<usize>,
    /// With --on-chip: cycles from a burst's address to its first beat, for the predicted cycles [default: 32]
    #[arg(long, value_name = "N")]
    mem_latency: Option<usize>,
    /// Device, whose multipliers and memory the design must fit; the list is below [default: generic]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// What the array's multipliers are; sums and cycles are the same [default: auto]
    #[arg(long, value_enum)]
    multipliers: Option<Multipliers>,
    /// Name of the top module [default: the model file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Samples for the golden vectors, .npy, stacked on the first axis
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(crate) input: Vec<String>,
    /// Data type of a float input that no quantizer follows: it holds integers of 1 to 8 bits (UINT8, INT4, BIPOLAR ...) times SCALE [default: 1]
    #[arg(long, value_name = "NAME=TYPE[:SCALE]")]
    pub(crate) input_type: Vec<String>,
    /// Golden samples: the first N of the input, or N pseudo-random ones [default: all of the input, or 3; at most 1 GiB of golden values]
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<usize>,
    /// Seed of the pseudo-random samples [default: 1]
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
    /// How accumulators become bytes [default: exact]
    #[arg(long, value_enum)]
    rescale: Option<Rescale>,
    /// Where ArgMax, TopK of one element and a Softmax that is quantized run, behind the last layer [default: hardware]
    #[arg(long, value_enum)]
    heads: Option<Heads>,
    /// With --rescale fixed: bits of the scale word [default: 16]
    #[arg(long, value_name = "BITS")]
    swl: Option<u8>,
    /// With --rescale fixed: fraction bits of the scale [default: 12]
    #[arg(long, value_name = "BITS")]
    sfl: Option<u8>,
    /// Memory image formats beside hex, e.g. bin,coe
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMAT")]
    pub(crate) mem_format: Vec<MemFormat>,
    /// Write the canonical integer network as QOperator ONNX
    #[arg(long, value_name = "FILE")]
    pub(crate) emit_onnx: Option<PathBuf>,
    /// Write the graph's text after every pass
    #[arg(long, value_name = "DIR")]
    pub(crate) dump_passes: Option<PathBuf>,
}

/// P, C, K.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ArrayText")]
pub(crate) struct Array([usize; 3]);

/// The forms in a file: `[4, 4, 16]`, or `"4,4,16"` as on the command line.
#[derive(Deserialize)]
#[serde(untagged, expecting = "an array shape is [P, C, K] or \"P,C,K\"")]
enum ArrayText {
    List([usize; 3]),
    Text(String),
}

impl TryFrom<ArrayText> for Array {
    type Error = String;
    fn try_from(form: ArrayText) -> std::result::Result<Array, String> {
        match form {
            ArrayText::List(list) => Ok(Array(list)),
            ArrayText::Text(text) => array(&text),
        }
    }
}

fn array(text: &str) -> std::result::Result<Array, String> {
    let parts: Vec<usize> = text
        .split(',')
        .map(|p| p.trim().parse().map_err(|_| format!("{p:?} is not a number")))
        .collect::<std::result::Result<_, _>>()?;
    parts.try_into().map(Array).map_err(|_| "three numbers are expected: P,C,K".into())
}

impl Config {
    /// The command line's options over those of a file.
    ///
    /// # Errors
    /// O2C0001 if the file can't be read, O2C0004 with the line at fault.
    pub(crate) fn over(self, file: Option<&Path>) -> Result<Config> {
        let Some(path) = file else { return Ok(self) };
        let place = format!("file {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| {
            Diagnostic::new(code::FILE_UNREADABLE, "the configuration can't be read", e.to_string())
                .at(place.clone())
        })?;
        let base: Config = toml::from_str(&text).map_err(|e| {
            Diagnostic::new(code::CONFIG_INVALID, "the configuration file is not valid", e.to_string().trim())
                .at(place)
                .remedy("the keys are the long options of `onnx2chip compile --help`, with _ for -")
        })?;
        if base.array.is_some() && base.macs.is_some() {
            return Err(invalid("array and macs exclude each other"));
        }
        let sized = self.array.is_some() || self.macs.is_some();
        let list = |a: Vec<String>, b: Vec<String>| if a.is_empty() { b } else { a };
        Ok(Config {
            array: if sized { self.array } else { base.array },
            macs: if sized { self.macs } else { base.macs },
            lanes: self.lanes.or(base.lanes),
            stream_bits: self.stream_bits.or(base.stream_bits),
            on_chip: self.on_chip.or(base.on_chip),
            bus_bits: self.bus_bits.or(base.bus_bits),
            burst: self.burst.or(base.burst),
            outstanding: self.outstanding.or(base.outstanding),
            mem_latency: self.mem_latency.or(base.mem_latency),
            target: self.target.or(base.target),
            multipliers: self.multipliers.or(base.multipliers),
            name: self.name.or(base.name),
            input: list(self.input, base.input),
            input_type: list(self.input_type, base.input_type),
            samples: self.samples.or(base.samples),
            seed: self.seed.or(base.seed),
            rescale: self.rescale.or(base.rescale),
            heads: self.heads.or(base.heads),
            swl: self.swl.or(base.swl),
            sfl: self.sfl.or(base.sfl),
            mem_format: if self.mem_format.is_empty() { base.mem_format } else { self.mem_format },
            emit_onnx: self.emit_onnx.or(base.emit_onnx),
            dump_passes: self.dump_passes.or(base.dump_passes),
        })
    }

    /// The pipeline's options.
    ///
    /// # Errors
    /// O2C0004 for an unknown target, for scale bits without `--rescale fixed`, for no samples at all, for streams that can't be built.
    pub(crate) fn options(&self) -> Result<Options> {
        let fixed = self.rescale == Some(Rescale::Fixed);
        if !fixed && (self.swl.is_some() || self.sfl.is_some()) {
            return Err(invalid("--swl and --sfl need --rescale fixed"));
        }
        if self.samples == Some(0) {
            return Err(invalid("--samples is at least 1"));
        }
        if self.macs == Some(0) {
            return Err(invalid("--macs is at least 1"));
        }
        let stream_bits = self.stream_bits.unwrap_or(onnx2chip::DEFAULT_STREAM_BITS);
        onnx2chip::plan::check_stream_bits(stream_bits)?;
        let target = onnx2chip::targets::find(self.target.as_deref().unwrap_or("generic"))?;
        // Without a wish of the user's, the target's multipliers are the limit.
        let multipliers = match self.multipliers.unwrap_or(Multipliers::Auto) {
            Multipliers::Auto => Wish::Target(target.array),
            Multipliers::Infer => Wish::User(Kind::Infer),
            Multipliers::Lut => Wish::User(Kind::Lut),
            Multipliers::Packed => Wish::User(Kind::Packed),
        };
        let of_target = target.products(multipliers.kind()).filter(|_| self.array.is_none());
        Ok(Options {
            array: self.array.map_or(onnx2chip::DEFAULT_ARRAY, |a| a.0),
            macs: self.macs.or(of_target),
            lanes: self.lanes,
            stream_bits,
            external: self.external()?,
            target,
            multipliers,
            name: self.name.clone(),
            rescale: if fixed {
                RescaleMode::Fixed { swl: self.swl.unwrap_or(16), sfl: self.sfl.unwrap_or(12) }
            } else {
                RescaleMode::Proved
            },
            heads: self.heads.map_or(onnx2chip::Heads::Hardware, Into::into),
        })
    }
}

impl Config {
    /// The external memory, if one is allowed.
    fn external(&self) -> Result<Option<external::Options>> {
        let others = [self.bus_bits, self.burst, self.outstanding, self.mem_latency];
        let Some(kib) = self.on_chip else {
            if others.iter().any(Option::is_some) {
                return Err(invalid("--bus-bits, --burst, --outstanding and --mem-latency need --on-chip"));
            }
            return Ok(None);
        };
        let options = external::Options {
            on_chip: kib.saturating_mul(1024),
            bus_bits: self.bus_bits.unwrap_or(128),
            burst: self.burst.unwrap_or(64),
            outstanding: self.outstanding.unwrap_or(8),
            latency: self.mem_latency.unwrap_or(32),
        };
        if kib == 0 || options.on_chip > external::MOST_BYTES {
            return Err(invalid("--on-chip is at least 1, and at most 2^30"));
        }
        if !options.bus_bits.is_power_of_two() || !(32..=512).contains(&options.bus_bits) {
            return Err(invalid("--bus-bits is a power of two from 32 to 512"));
        }
        if !options.burst.is_power_of_two()
            || !(1..=256).contains(&options.burst)
            || !(1..=16).contains(&options.outstanding)
        {
            return Err(invalid("--burst is a power of two from 1 to 256, --outstanding from 1 to 16"));
        }
        if !(1..=65_535).contains(&options.latency) {
            return Err(invalid("--mem-latency is from 1 to 65535"));
        }
        Ok(Some(options))
    }
}

fn invalid(cause: &str) -> Diagnostics {
    Diagnostic::new(code::CONFIG_INVALID, "the options do not fit together", cause).into()
}
