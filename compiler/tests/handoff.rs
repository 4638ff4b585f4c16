//! A hand-off folder explains itself: every golden value again, from manifest.json, mem/ and vectors/ alone.
//!
//! Nothing of the compiler is used but its reader of `.npy` files; the formulas are those that the manifest writes out.
#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use onnx2chip::exec::{Data, npy};
use serde_json::Value;

/// A folder as its user sees it.
struct Folder {
    dir: PathBuf,
    manifest: Value,
}

/// Channels, rows, columns and the canonical values.
#[derive(Clone)]
struct Tensor {
    shape: [i64; 3],
    values: Vec<i64>,
}

impl Tensor {
    /// `None` outside.
    fn at(&self, c: i64, y: i64, x: i64) -> Option<i64> {
        let [_, h, w] = self.shape;
        let inside = (0..h).contains(&y) && (0..w).contains(&x);
        inside.then(|| self.values[usize::try_from((c * h + y) * w + x).unwrap()])
    }
}

fn numbers(v: &Value) -> Vec<i64> {
    v.as_array().unwrap().iter().map(|n| n.as_i64().unwrap()).collect()
}

fn number(v: &Value) -> i64 {
    v.as_i64().unwrap_or_else(|| panic!("{v} is not a number"))
}

impl Folder {
    fn entry(&self, path: &str) -> &Value {
        let files = self.manifest["files"].as_array().unwrap();
        files.iter().find(|f| f["path"] == path).unwrap_or_else(|| panic!("{path} is not in the manifest"))
    }

    /// The first sample of an array.
    fn array(&self, path: &str) -> Vec<i64> {
        let all: Vec<i64> = match npy::load(&self.dir.join(path)).unwrap() {
            Data::I8(a) => a.iter().map(|v| i64::from(*v)).collect(),
            Data::U8(a) => a.iter().map(|v| i64::from(*v)).collect(),
            Data::I32(a) => a.iter().map(|v| i64::from(*v)).collect(),
            Data::I64(_) | Data::F32(_) => panic!("{path}"),
        };
        let samples = numbers(&self.entry(path)["shape"])[0];
        all[..all.len() / usize::try_from(samples).unwrap()].to_vec()
    }

    fn words(&self, memory: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join(format!("mem/{memory}.hex"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The value of a field of a word, `which` of those in it.
    fn field(&self, memory: &str, word: &str, name: &str, which: i64) -> Option<i64> {
        let fields = self.entry(&format!("mem/{memory}.hex"))["fields"].as_array().unwrap();
        let f = fields.iter().find(|f| f["name"] == name)?;
        assert!(which < number(&f["count"]));
        let (lsb, width) = (number(&f["lsb"]) + which * number(&f["stride"]), number(&f["width"]));
        let digits: Vec<u32> = word.chars().rev().map(|c| c.to_digit(16).unwrap()).collect();
        let bit = |at: i64| i64::from(digits[usize::try_from(at / 4).unwrap()] >> (at % 4) & 1);
        let raw = (0..width).fold(0, |sum, i| sum | bit(lsb + i) << i);
        let signed = f["signed"] == true && raw >> (width - 1) & 1 == 1;
        Some(raw - if signed { 1 << width } else { 0 } + number(&f["add"]))
    }
}

/// |acc| to 24 significant bits, nearest even.
fn round24(a: i128) -> i128 {
    let drop = (128 - a.leading_zeros()).saturating_sub(24);
    let (kept, rest) = (a >> drop, a & ((1 << drop) - 1));
    let half = if drop == 0 { 1 } else { 1 << (drop - 1) };
    (kept + i128::from(rest > half || (rest == half && kept & 1 == 1))) << drop
}

/// One requantized integer, by the parameters' fields.
fn requantize(folder: &Folder, word: &str, lane: i64, acc: i64, q: &[i64]) -> i64 {
    let of = |name| folder.field("parameters", word, name, lane);
    let (m, offset, shift) = (of("multiplier").unwrap(), of("offset").unwrap(), of("shift").unwrap());
    let (acc, m) = (i128::from(acc), i128::from(m));
    let value = if of("exact").unwrap_or(0) == 0 {
        (acc * m + i128::from(offset)) >> shift
    } else {
        let p = round24(acc.abs()) * m;
        let (k, distance) = (p >> shift, ((p & ((1 << shift) - 1)) - (1 << (shift - 1))).abs());
        let reach = shift + i64::from(128 - k.leading_zeros()) - 25;
        let tie = distance <= if reach < 0 { 0 } else { 1 << reach };
        let up = if tie { k & 1 == 1 } else { p & ((1 << shift) - 1) > 1 << (shift - 1) };
        let n = k + i128::from(up);
        (if acc < 0 { -n } else { n }) + i128::from(offset)
    };
    i64::try_from(value.clamp(i128::from(q[0]), i128::from(q[1]))).unwrap()
}

/// The element of a tensor at a place, or at 0 along an axis where it has one.
fn broadcast(t: &Tensor, place: [i64; 3]) -> i64 {
    let [c, h, w] = std::array::from_fn(|d| if t.shape[d] == 1 { 0 } else { place[d] });
    t.at(c, h, w).unwrap()
}

/// Compiles a model and computes every layer again.
fn check(model: &str, extra: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("out");
    let out = Command::new(env!("CARGO_BIN_EXE_onnx2chip"))
        .arg("compile")
        .arg(root.join("models").join(model))
        .args(["-o".as_ref(), dir.as_os_str()])
        .args(extra)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let manifest = serde_json::from_slice(&std::fs::read(dir.join("manifest.json")).unwrap()).unwrap();
    let folder = Folder { dir, manifest };
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.dir.join("report.json")).unwrap()).unwrap();
    let (parameters, weights) = (folder.words("parameters"), folder.words("weights"));
    let tables = [folder.words("table_a"), folder.words("table_b")];
    let [p, c, k] = *numbers(&report["array"]) else { panic!("array") };
    let (w, r) = (p * c, number(&report["lanes"]));
    let shift = report["parameters"].as_array().unwrap().iter().find(|v| v["name"] == "TABLE_SHIFT").unwrap();
    let shift = number(&shift["value"]);

    let layers = folder.manifest["layers"].as_array().unwrap();
    let mut known: BTreeMap<String, Tensor> = BTreeMap::new();
    for input in folder.manifest["input"].as_array().unwrap() {
        let shape: [i64; 3] = numbers(&input["shape"]).try_into().unwrap();
        let offset = if input["dtype"] == "uint8" { 128 } else { 0 };
        let bytes = folder.array(input["golden"].as_str().unwrap());
        // The packet has it at its place.
        let (first, last) = (number(&input["offset"]), number(&input["offset"]) + number(&input["bytes"]));
        let packet = folder.array("vectors/input.npy");
        let part = &packet[usize::try_from(first).unwrap()..usize::try_from(last).unwrap()];
        assert!(part.iter().zip(&bytes).all(|(p, b)| (p - b) % 256 == 0) && part.len() == bytes.len());
        let pixels = shape[1] * shape[2];
        let canonical = (0..bytes.len() as i64).map(|i| {
            let (channel, pixel) = (i / pixels, i % pixels);
            bytes[usize::try_from(pixel * shape[0] + channel).unwrap()] - offset
        });
        let name = input["tensor"].as_str().unwrap();
        known.insert(name.into(), Tensor { shape, values: canonical.collect() });
    }

    for l in layers {
        let place = |what: &str| format!("{model} {extra:?} {}: {what}", l["name"]);
        let golden = |kind: &str| {
            let paths = l["golden"].as_array().unwrap().iter().filter_map(Value::as_str);
            paths.into_iter().find(|p| p.ends_with(&format!("_{kind}.npy"))).map(|p| folder.array(p))
        };
        // Concatenations of what is known so far.
        for join in folder.manifest["joins"].as_array().unwrap() {
            let of = join["of"].as_array().unwrap();
            let tensors = of.iter().map(|part| known.get(part["tensor"].as_str().unwrap()));
            let tensors: Option<Vec<&Tensor>> = tensors.collect();
            if let Some(tensors) = tensors {
                // Every element's place, then the elements in the order of their places.
                let mut all = BTreeMap::new();
                for (part, t) in of.iter().zip(tensors) {
                    let place = |name: &str| <[i64; 2]>::try_from(numbers(&part[name])).unwrap();
                    let ([r0, c0], [rs, cs]) = (place("origin"), place("steps"));
                    let [_, h, w] = t.shape;
                    for (i, v) in (0i64..).zip(&t.values) {
                        let at =
                            (number(&part["channel"]) + i / (h * w), r0 + i / w % h * rs, c0 + i % w * cs);
                        assert!(all.insert(at, *v).is_none());
                    }
                }
                let last = *all.keys().next_back().unwrap();
                let shape = [last.0 + 1, last.1 + 1, last.2 + 1];
                let values: Vec<i64> = all.into_values().collect();
                assert_eq!(i64::try_from(values.len()).unwrap(), shape.iter().product::<i64>());
                known.insert(join["tensor"].as_str().unwrap().into(), Tensor { shape, values });
            }
        }
        let reads: Vec<&Tensor> =
            l["reads"].as_array().unwrap().iter().map(|n| &known[n.as_str().unwrap()]).collect();
        let (x, unit) = (reads[0], l["unit"].as_str().unwrap());
        let shape: [i64; 3] = numbers(&l["output_shape"]).try_into().unwrap();
        let pair = |name: &str| <[i64; 2]>::try_from(numbers(&l[name])).unwrap();
        let ([kh, kw], [sh, sw], [dh, dw], [top, left]) =
            (pair("kernel"), pair("strides"), pair("dilations"), pair("pads"));
        let (q, base) = (numbers(&l["q"]), number(&l["parameter_word"]));
        let channels = x.shape[0];
        // The place of each channel among the words.
        let places = |name: &str| -> Vec<i64> {
            let mut next = 0;
            let parts = numbers(&l[name]).into_iter().flat_map(|n| {
                let from = next;
                next += (n + w - 1) / w * w;
                from..from + n
            });
            parts.collect()
        };
        let (of_x, of_y) = (places("operand_parts"), places("parts"));
        let (mut accs, mut qs, mut ys) = (vec![], vec![], vec![]);
        for o in 0..shape[0] {
            // The weights of one output channel, in the order of the loops below.
            let mut kernel = vec![];
            for (row, column, channel) in (0..kh * kw * channels)
                .map(|i| (i / (kw * channels), i / channels % kw, i % channels))
                .filter(|_| unit == "array")
            {
                let ([row, column], [rows, columns], channel) = if l["folded_rows"] == true {
                    ([0, 0], [1, 1], (row * kw + column) * channels + channel)
                } else if l["folded"] == true {
                    ([row, 0], [kh, 1], column * channels + channel)
                } else {
                    ([row, column], [kh, kw], of_x[usize::try_from(channel).unwrap()])
                };
                let o = of_y[usize::try_from(o).unwrap()];
                let [blocks, step, repeat] =
                    ["blocks", "block_step", "block_repeat"].map(|name| number(&l[name]));
                let block = channel / w - step * (o / k / repeat);
                if !(0..blocks).contains(&block) {
                    kernel.push(0);
                    continue;
                }
                let word = number(&l["weight_word"])
                    + ((((o / k) * rows + row) * columns + column) * blocks + block) * p
                    + (channel % w) / c;
                let word = &weights[usize::try_from(word).unwrap()];
                kernel.push(folder.field("weights", word, "weight", (o % k) * c + channel % c).unwrap());
            }
            if unit == "depthwise" {
                let o = of_y[usize::try_from(o).unwrap()];
                let taps = ["tap_rows", "tap_columns"].map(|name| {
                    let taps: Vec<Vec<i64>> = l[name].as_array().unwrap().iter().map(numbers).collect();
                    let tiles = taps.iter().map(|tap| tap[0] + 1).max().unwrap();
                    (taps, tiles)
                });
                let [(rows, below), (columns, beside)] = &taps;
                for (row, column) in rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c))) {
                    let place = 4 * row[1] + column[1];
                    let pass = (o / w * below + row[0]) * beside + column[0];
                    let word = number(&l["weight_word"]) + pass * p + place / c;
                    let word = &weights[usize::try_from(word).unwrap()];
                    kernel.push(folder.field("weights", word, "weight", o % w * c + place % c).unwrap());
                }
            }
            for (y, z) in (0..shape[1] * shape[2]).map(|i| (i / shape[2], i % shape[2])) {
                let of = if unit == "array" { 0..channels } else { o..o + 1 };
                let mut taps = vec![];
                for (row, column) in (0..kh * kw).map(|i| (i / kw, i % kw)) {
                    let (y, z) = if l["exchanged"] == true { (z, y) } else { (y, z) };
                    let at = (y * sh - top + row * dh, z * sw - left + column * dw);
                    taps.extend(of.clone().map(|channel| x.at(channel, at.0, at.1)));
                }
                let pad = number(&l["pad_value"]);
                let inside = taps.iter().flatten().count() as i64;
                let value = |t: &Option<i64>| t.unwrap_or(pad);
                let (word, lane) = match unit {
                    "array" | "depthwise" => {
                        let o = of_y[usize::try_from(o).unwrap()];
                        (base + o / r, o % r)
                    }
                    _ if l["by_taps"] == true => (base + inside - 1, 0),
                    _ => (base, 0),
                };
                let word = &parameters[usize::try_from(word).unwrap()];
                let byte = if unit == "maximum" {
                    requantize(&folder, word, lane, *taps.iter().flatten().max().unwrap(), &q)
                } else {
                    let sum: i64 = match unit {
                        "array" | "depthwise" => taps.iter().zip(&kernel).map(|(t, w)| value(t) * w).sum(),
                        "sum" => taps.iter().map(value).sum(),
                        "product" | "product by thresholds" => {
                            let factor = broadcast(reads[1], [o, y, z]);
                            (value(&taps[0]) - pad) * (factor - number(&l["factor_zero"]))
                        }
                        other => panic!("{other}"),
                    };
                    let acc = sum + folder.field("parameters", word, "bias", lane).unwrap();
                    accs.push(acc);
                    requantize(&folder, word, lane, acc, &q)
                };
                qs.push(byte);
                let Some(table) = l["table"].as_i64() else {
                    ys.push(byte);
                    continue;
                };
                let entry = |which: usize, v: i64| {
                    let at = usize::try_from(256 * table + v + 128).unwrap();
                    folder.field(["table_a", "table_b"][which], &tables[which][at], "entry", 0).unwrap()
                };
                if unit == "product by thresholds" {
                    let [a, b] = [x, reads[1]].map(|t| broadcast(t, [o, y, z]));
                    let c = entry(1, if l["correct_by_b"] == true { b } else { a });
                    let acc = *accs.last().unwrap();
                    let least = entry(0, byte) + if acc < 0 { 255 - c } else { c };
                    let y = byte + i64::from(256 * acc >= least);
                    *qs.last_mut().unwrap() = y;
                    ys.push(y);
                    continue;
                }
                let residual = if unit == "product" { 2 } else { 1 };
                let s = entry(0, byte) + reads.get(residual).map_or(0, |b| entry(1, b.at(o, y, z).unwrap()));
                let v = s >> shift;
                let tie = shift > 0 && s & ((1 << shift) - 1) == 0;
                let odd = (v & 1 == 1) != (l["ties_to_odd"] == true);
                let bounds = numbers(&l["y"]);
                ys.push((v - i64::from(tie && odd)).clamp(bounds[0], bounds[1]));
            }
        }
        if let Some(expect) = golden("acc") {
            assert!(accs == expect, "{}", place("accumulators"));
            assert!(Some(qs) == golden("q"), "{}", place("requantized"));
        }
        assert!(ys == golden("y").unwrap(), "{}", place("result"));
        known.insert(l["tensor"].as_str().unwrap().into(), Tensor { shape, values: ys });
    }
    for (k, output) in folder.manifest["output"].as_array().unwrap().iter().enumerate() {
        sent(&folder, &report, &known, (k, output));
    }
    // The host's steps can be tested as well.
    let files = folder.manifest["files"].as_array().unwrap();
    let host = files.iter().find(|f| f["path"].as_str().unwrap().starts_with("vectors/host_output"));
    assert_eq!(host.unwrap()["shape"][0], 1);
}

/// A tensor of the output packet from what the layers gave.
fn sent(folder: &Folder, report: &Value, known: &BTreeMap<String, Tensor>, (k, output): (usize, &Value)) {
    let tensor = &known[output["tensor"].as_str().unwrap()];
    let layers = folder.manifest["layers"].as_array().unwrap();
    let offset = number(&layers.iter().find(|l| l["tensor"] == output["tensor"]).unwrap()["offset"]);
    // One value, or one for each tensor of the packet.
    let parameter = |name: &str| {
        let all = report["parameters"].as_array().unwrap();
        let value = &all.iter().find(|v| v["name"] == name).unwrap()["value"];
        number(value.get(k).unwrap_or(value))
    };
    let [c, h, w] = tensor.shape;
    let places = (0..h * w).flat_map(|p| (0..c).map(move |k| (k, p / w, p % w)));
    let bytes: Vec<i64> = places.map(|(k, y, x)| tensor.at(k, y, x).unwrap() + offset).collect();
    let groups = bytes.chunks(usize::try_from(parameter("HEAD_N")).unwrap());
    let flags = parameter("HEAD_FLAGS");
    let sent: Vec<i64> = match parameter("HEAD") {
        0 => bytes,
        1 => groups
            .flat_map(|x| {
                let best = if flags & 2 == 0 { x.iter().max() } else { x.iter().min() }.unwrap();
                let found = |v: &i64| v == best;
                let at = if flags & 1 == 0 { x.iter().position(found) } else { x.iter().rposition(found) };
                let at = i64::try_from(at.unwrap()).unwrap();
                let index = if x.len() > 256 { vec![at % 256, at / 256] } else { vec![at] };
                [*best].into_iter().filter(|_| flags & 4 != 0).chain(index).collect::<Vec<_>>()
            })
            .collect(),
        _ => groups
            .flat_map(|x| {
                let (words, most) = (folder.words("softmax"), x.iter().max().unwrap());
                let field = |x: i64, name: &str| {
                    let word = &words[usize::try_from(most - x).unwrap()];
                    i128::from(folder.field("softmax", word, name, 0).unwrap())
                };
                let sum: i128 = x.iter().map(|x| field(*x, "term")).sum();
                let byte = |x: &i64| {
                    let q = field(*x, "quotient");
                    // The nearest, the even one of two.
                    let n = (0..=256).min_by_key(|n| ((2 * q - 2 * n * sum).abs(), n % 2)).unwrap();
                    parameter("HEAD_ZERO") + i64::try_from(n).unwrap().min(parameter("HEAD_MOST"))
                };
                x.iter().map(byte).collect::<Vec<_>>()
            })
            .collect(),
    };
    let low = |all: Vec<i64>| -> Vec<i64> { all.into_iter().map(|v| v.rem_euclid(256)).collect() };
    assert!(low(folder.array(output["golden"].as_str().unwrap())) == low(sent), "{}", output["tensor"]);
}

#[test]
fn every_value_follows_from_the_folder() {
    check("mnist_lenet_int8_qdq.onnx", &["--samples", "1", "--array", "2,2,4"]);
    check("mnist_lenet_int8_qoperator.onnx", &["--samples", "1", "--array", "1,4,8"]);
    check("tflm_micro_speech_int8_qdq.onnx", &["--samples", "1", "--array", "4,4,16", "--lanes", "2"]);
    check("mlperftiny_resnet8_int8_qdq.onnx", &["--samples", "1"]);
    check("../testbench/mutants/six.onnx", &["--samples", "1", "--array", "2,4,8"]);
    check("../testbench/mutants/ends.onnx", &["--samples", "1", "--array", "2,2,8", "--lanes", "2"]);
    check("../testbench/mutants/eleven.onnx", &["--samples", "1", "--array", "2,8,16"]);
    check("../testbench/mutants/product.onnx", &["--samples", "1", "--array", "4,2,4", "--lanes", "2"]);
    check("../testbench/mutants/argmax.onnx", &["--samples", "1", "--array", "2,2,4"]);
    check("../testbench/mutants/softmax.onnx", &["--samples", "1", "--array", "2,2,4"]);
    check("mlperftiny_dscnn_kws_int8_qdq.onnx", &["--samples", "1", "--array", "4,4,8"]);
    check("mlperftiny_dscnn_kws_int8_qdq.onnx", &["--samples", "1", "--array", "4,4,16"]);
}
