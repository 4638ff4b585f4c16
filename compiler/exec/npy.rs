//! `.npy` files, format versions 1 to 3: bytes in, [`Data`] out, and back.
//!
//! Guarantees: little-endian C-order arrays of float32, uint8, int8, int32, int64 and float64 whose every value is
//! a float32; anything else, a truncated file and a malformed header are diagnostics, never a panic, and memory
//! is taken only for bytes that are there. Format: NumPy Enhancement Proposal 1, `numpy.lib.format`.

use std::path::Path;

use ndarray_npy::WriteNpyExt;

use super::data::{Data, array};
use crate::diag::{Diagnostic, Diagnostics, Result, code};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Reads a regular file.
pub fn load(path: &Path) -> Result<Data> {
    let file = format!("file {}", path.display());
    // Asked before the file is opened: a pipe would wait for a writer, a device may never end.
    let bytes = std::fs::metadata(path).and_then(|m| {
        if m.is_file() { std::fs::read(path) } else { Err(std::io::Error::other("not a regular file")) }
    });
    let bytes = bytes.map_err(|e| {
        Diagnostic::new(code::FILE_UNREADABLE, "the input file can't be read", e.to_string()).at(file.clone())
    })?;
    parse(&bytes).map_err(|cause| {
        Diagnostics::from(
            Diagnostic::new(code::INPUT_DATA_INVALID, "the input file is not usable", cause).at(file).remedy(
                "save it with numpy.save as a C-order little-endian array of float32, uint8, int8, int32 or int64",
            ),
        )
    })
}

/// Writes a file.
pub fn save(path: &Path, data: &Data) -> Result<()> {
    let bytes = to_bytes(data)?;
    std::fs::write(path, bytes).map_err(|e| {
        Diagnostic::new(code::FILE_UNWRITABLE, "an array can't be written", e.to_string())
            .at(format!("file {}", path.display()))
            .into()
    })
}

/// The bytes of a file.
pub fn to_bytes(data: &Data) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match data {
        Data::F32(a) => a.write_npy(&mut out),
        Data::U8(a) => a.write_npy(&mut out),
        Data::I8(a) => a.write_npy(&mut out),
        Data::I32(a) => a.write_npy(&mut out),
        Data::I64(a) => a.write_npy(&mut out),
    }
    .map_err(|e| Diagnostic::new(code::INTERNAL, "an array can't be encoded as .npy", e.to_string()))?;
    Ok(out)
}

/// The array in a file's bytes, or why there is none.
pub fn parse(bytes: &[u8]) -> std::result::Result<Data, String> {
    let (header, body) = split(bytes)?;
    let header = Header::parse(header)?;
    if header.fortran && header.shape.iter().filter(|d| **d > 1).count() > 1 {
        return Err("the array is in Fortran order; use numpy.ascontiguousarray".into());
    }
    let count = header
        .shape
        .iter()
        .try_fold(1_usize, |n, d| n.checked_mul(*d))
        .ok_or_else(|| format!("shape {:?} is too large", header.shape))?;
    let width = match header.descr.as_str() {
        "|u1" | "<u1" | "|i1" | "<i1" => 1,
        "<f4" | "<i4" => 4,
        "<f8" | "<i8" => 8,
        other => return Err(format!("element type {other:?} is not supported")),
    };
    let need = count.checked_mul(width).ok_or_else(|| format!("shape {:?} is too large", header.shape))?;
    if body.len() != need {
        return Err(format!("{} bytes of data where shape {:?} needs {need}", body.len(), header.shape));
    }
    let shape = &header.shape;
    let data = match header.descr.as_str() {
        "<f4" => array(shape, words(body).map(f32::from_le_bytes).collect()).map(Data::F32),
        "<f8" => {
            let mut out = Vec::with_capacity(count);
            for v in words(body).map(f64::from_le_bytes) {
                // Narrowing is the point; the next line refuses every value that it changes.
                let narrow = v as f32;
                if f64::from(narrow).to_bits() != v.to_bits() {
                    return Err(format!(
                        "float64 value {v} is not exact in float32; use .astype(numpy.float32)"
                    ));
                }
                out.push(narrow);
            }
            array(shape, out).map(Data::F32)
        }
        "<i4" => array(shape, words(body).map(i32::from_le_bytes).collect()).map(Data::I32),
        "<i8" => array(shape, words(body).map(i64::from_le_bytes).collect()).map(Data::I64),
        "|i1" | "<i1" => array(shape, words(body).map(i8::from_le_bytes).collect()).map(Data::I8),
        _ => array(shape, body.to_vec()).map(Data::U8),
    };
    data.ok_or_else(|| format!("shape {shape:?} is not usable"))
}

fn words<const N: usize>(body: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    let (chunks, _) = body.as_chunks::<N>();
    chunks.iter().copied()
}

fn split(bytes: &[u8]) -> std::result::Result<(&str, &[u8]), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin with the .npy magic")?;
    let truncated = "the header is truncated";
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(truncated)?;
    let (len, rest) = match version[0] {
        1 => {
            let (len, rest) = rest.split_first_chunk::<2>().ok_or(truncated)?;
            (usize::from(u16::from_le_bytes(*len)), rest)
        }
        2 | 3 => {
            let (len, rest) = rest.split_first_chunk::<4>().ok_or(truncated)?;
            (usize::try_from(u32::from_le_bytes(*len)).map_err(|_| truncated)?, rest)
        }
        v => return Err(format!(".npy format version {v} is not known")),
    };
    let (header, body) = rest.split_at_checked(len).ok_or(truncated)?;
    Ok((std::str::from_utf8(header).map_err(|_| "the header is not text")?, body))
}

#[derive(Debug)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Parses the Python dictionary literal that NumPy writes: the three keys in any order.
    fn parse(text: &str) -> std::result::Result<Header, String> {
        let bad = || format!("the header {:?} is malformed", text.trim());
        let inner = text
            .trim()
            .strip_prefix('{')
            .and_then(|t| t.strip_suffix('}'))
            .ok_or_else(bad)?
            .trim()
            .trim_end_matches(',');
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        let mut rest = inner;
        while !rest.trim().is_empty() {
            let (key, tail) = quoted(rest).ok_or_else(bad)?;
            let tail = tail.trim_start().strip_prefix(':').ok_or_else(bad)?.trim_start();
            let tail = match key {
                "descr" => {
                    let (value, tail) = quoted(tail).ok_or("structured element types are not supported")?;
                    descr = Some(value.to_owned());
                    tail
                }
                "fortran_order" => {
                    let (value, tail) = tail
                        .strip_prefix("True")
                        .map(|t| (true, t))
                        .or_else(|| tail.strip_prefix("False").map(|t| (false, t)))
                        .ok_or_else(bad)?;
                    fortran = Some(value);
                    tail
                }
                "shape" => {
                    let (dims, tail) =
                        tail.strip_prefix('(').and_then(|t| t.split_once(')')).ok_or_else(bad)?;
                    let dims: std::result::Result<Vec<usize>, _> =
                        dims.split(',').map(str::trim).filter(|d| !d.is_empty()).map(str::parse).collect();
                    shape = Some(dims.map_err(|_| bad())?);
                    tail
                }
                other => return Err(format!("the header has an unknown key {other:?}")),
            };
            rest = tail.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok(Header { descr, fortran, shape }),
            _ => Err(bad()),
        }
    }
}

fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_every_type() {
        let shape = [2, 3];
        let cases = [
            Data::F32(array(&shape, vec![0.5, -1.0, f32::MIN_POSITIVE, 3.0, 4.0, f32::INFINITY]).unwrap()),
            Data::U8(array(&shape, vec![0, 1, 2, 3, 254, 255]).unwrap()),
            Data::I8(array(&shape, vec![-128, -1, 0, 1, 2, 127]).unwrap()),
            Data::I32(array(&shape, vec![i32::MIN, -1, 0, 1, 2, i32::MAX]).unwrap()),
            Data::I64(array(&shape, vec![i64::MIN, -1, 0, 1, 2, i64::MAX]).unwrap()),
        ];
        for data in cases {
            assert_eq!(parse(&to_bytes(&data).unwrap()), Ok(data));
        }
    }

    #[test]
    fn float64_only_when_exact() {
        let bytes = |v: f64| {
            let mut out = Vec::new();
            ndarray::arr1(&[v]).write_npy(&mut out).unwrap();
            out
        };
        assert_eq!(parse(&bytes(0.25)), Ok(Data::F32(array(&[1], vec![0.25]).unwrap())));
        assert!(parse(&bytes(0.1)).unwrap_err().contains("not exact"));
    }

    #[test]
    fn refusals() {
        let raw = |header: &str, body: &[u8]| {
            let mut out = MAGIC.to_vec();
            out.extend([1, 0]);
            out.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
            out.extend(header.bytes());
            out.extend(body);
            out
        };
        let cases: &[(&str, &[u8], &str)] = &[
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", &[0; 16], "Fortran"),
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", &[0; 4], "not supported"),
            ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", &[0; 8], "not supported"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", &[0; 8], "8 bytes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", &[0; 12], "malformed"),
            ("{'descr': '<f4', 'shape': (3,)}", &[0; 12], "malformed"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", &[0; 4], "structured"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}",
                &[0; 4],
                "too large",
            ),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", &[0; 4], "malformed"),
        ];
        for (header, body, expect) in cases {
            let error = parse(&raw(header, body)).unwrap_err();
            assert!(error.contains(expect), "{header}: {error}");
        }
        assert!(parse(b"PK\x03\x04").unwrap_err().contains("magic"));
        assert!(parse(b"\x93NUMPY\x01\x00\xff\xff{").unwrap_err().contains("truncated"));
    }
}
