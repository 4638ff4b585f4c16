//! A fuzzer that needs no special toolchain: seeded, so that a failure comes back.
//!
//! `ONNX2CHIP_FUZZ_SECONDS` (2) bounds the time, `ONNX2CHIP_FUZZ_SEED` (1) chooses the sequence. Half of the
//! mutants are made of bytes (flips, cuts, splices), half of fields, with lengths kept right so that they get
//! past the wire format. Each must be refused with a code, or accepted and come back from `encode` unchanged;
//! none may panic, take more than two seconds, or raise the peak memory beyond a bound.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;

use super::{committed, tiny};
use crate::diag::code;
use crate::onnx::schema::{MESSAGES, MODEL};
use crate::onnx::wire::Kind;
use crate::onnx::{decode, encode};

/// More than the seeds' own models need, less than one allocation by a hostile length.
const MAX_GROWTH_KIB: u64 = 256 * 1024;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    /// Below `n`, which is at least 1.
    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }
    /// Numbers at which decoders break.
    fn number(&mut self) -> u64 {
        let edge = [0, 1, 2, 127, 128, 255, 1 << 31, 1 << 32, 1 << 62, u64::MAX, u64::MAX - 1];
        match self.below(3) {
            0 => edge[self.below(edge.len())],
            1 => self.below(30) as u64,
            _ => self.next() >> self.below(64),
        }
    }
}

/// A protobuf field, taken apart.
#[derive(Clone)]
struct Piece {
    key: u64,
    value: Value,
}

#[derive(Clone)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    Fields(Vec<Piece>),
}

/// Takes a well-formed message apart.
fn parse(ty: usize, mut bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let key = prost::decode_length_delimiter(&mut bytes).unwrap() as u64;
        let kind = MESSAGES[ty].fields.iter().find(|f| u64::from(f.number) == key >> 3).unwrap().kind;
        let value = match key & 7 {
            0 => Value::Number(prost::encoding::decode_varint(&mut bytes).unwrap()),
            wire => {
                let length = match wire {
                    1 => 8,
                    5 => 4,
                    _ => prost::decode_length_delimiter(&mut bytes).unwrap(),
                };
                let (inner, rest) = bytes.split_at(length);
                bytes = rest;
                match kind {
                    Kind::Message(ty) => Value::Fields(parse(ty, inner)),
                    _ => Value::Bytes(inner.to_vec()),
                }
            }
        };
        pieces.push(Piece { key, value });
    }
    pieces
}

fn join(pieces: &[Piece], out: &mut Vec<u8>) {
    for p in pieces {
        prost::encoding::encode_varint(p.key, out);
        let inner = match &p.value {
            Value::Number(n) => {
                prost::encoding::encode_varint(*n, out);
                continue;
            }
            Value::Bytes(b) => b.clone(),
            Value::Fields(f) => {
                let mut inner = Vec::new();
                join(f, &mut inner);
                inner
            }
        };
        if p.key & 7 == 2 {
            prost::encoding::encode_varint(inner.len() as u64, out);
        }
        out.extend(inner);
    }
}

/// Changes one field somewhere in the tree.
fn change_field(pieces: &mut Vec<Piece>, r: &mut Random) {
    if pieces.is_empty() {
        return;
    }
    let i = r.below(pieces.len());
    if let Value::Fields(inner) = &mut pieces[i].value
        && r.below(8) > 0
    {
        return change_field(inner, r);
    }
    match r.below(6) {
        0 => drop(pieces.remove(i)),
        1 => pieces.insert(i, pieces[i].clone()),
        2 => {
            let j = r.below(pieces.len());
            pieces.swap(i, j);
        }
        3 => pieces[i].key = (r.number() << 3) | (pieces[i].key & 7),
        _ => match &mut pieces[i].value {
            Value::Number(n) => *n = r.number(),
            Value::Bytes(b) => change_bytes(b, &[], r),
            Value::Fields(f) => f.clear(),
        },
    }
}

/// Changes bytes; `other` is spliced in.
fn change_bytes(bytes: &mut Vec<u8>, other: &[u8], r: &mut Random) {
    let at = r.below(bytes.len() + 1);
    let to = at + r.below(bytes.len() - at + 1).min(64);
    match r.below(6) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..to)),
        2 => {
            let copy = bytes[at..to].to_vec();
            bytes.splice(at..at, copy);
        }
        3 if !other.is_empty() => {
            let from = r.below(other.len());
            bytes.splice(at..to, other[from..].iter().copied().take(256));
        }
        // In a whole file this hits keys and lengths often: most fields are short.
        4 if at < bytes.len() => bytes[at] = r.number() as u8,
        _ if at < bytes.len() => bytes[at] ^= 1 << r.below(8),
        _ => bytes.push(r.number() as u8),
    }
}

/// Peak memory of this process in KiB, where the system tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is no number")))
}

#[test]
fn no_mutant_breaks_the_decoder() {
    let end = Instant::now() + Duration::from_secs(setting("ONNX2CHIP_FUZZ_SECONDS", 2));
    let mut r = Random(setting("ONNX2CHIP_FUZZ_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let seeds: Vec<Vec<u8>> = vec![
        tiny().encode_to_vec(),
        committed("mnist_lenet_int8_qdq.onnx"),
        committed("mnist_lenet_int8_qoperator.onnx"),
    ];
    let trees: Vec<Vec<Piece>> = seeds.iter().map(|s| parse(MODEL, s)).collect();
    for (seed, tree) in seeds.iter().zip(&trees) {
        let mut again = Vec::new();
        join(tree, &mut again);
        assert_eq!(&again, seed, "the fuzzer takes files apart without loss");
    }
    let folder = tempfile::tempdir().unwrap();
    let before = peak_kib();
    let (mut tried, mut accepted) = (0u64, 0u64);
    while Instant::now() < end {
        let which = r.below(seeds.len());
        let mut bytes = seeds[which].clone();
        if r.below(2) == 0 {
            let mut tree = trees[which].clone();
            for _ in 0..=r.below(4) {
                change_field(&mut tree, &mut r);
            }
            bytes.clear();
            join(&tree, &mut bytes);
        } else {
            let other = &seeds[r.below(seeds.len())];
            for _ in 0..=r.below(4) {
                change_bytes(&mut bytes, other, &mut r);
            }
        }
        let shown = format!("mutant {tried} of seed {which}");
        let start = Instant::now();
        match decode(Bytes::from(bytes), Some(folder.path())) {
            Ok(model) => {
                accepted += 1;
                // Compared as bytes: a mutant may hold NaN. Kinds that are not kept are refused by `encode`.
                match encode(&model) {
                    Ok(once) => {
                        let again = decode(once.clone().into(), None).unwrap();
                        assert!(encode(&again).unwrap() == once, "{shown} does not come back");
                    }
                    Err(d) => assert!(d.to_string().contains("is not kept"), "{shown}: {d}"),
                }
            }
            Err(d) => {
                assert!(!d.0.is_empty() && d.0.iter().all(|d| d.code != code::INTERNAL), "{shown}: {d}");
            }
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{shown} took {:?}", start.elapsed());
        tried += 1;
    }
    eprintln!("{tried} mutants, {accepted} accepted");
    assert!(accepted > 0 && accepted < tried);
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        assert!(after - before < MAX_GROWTH_KIB, "peak memory grew by {} KiB", after - before);
    }
}
