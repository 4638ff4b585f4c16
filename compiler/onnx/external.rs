//! Tensor data that lie in a file beside the model.
//!
//! In: the key-value pairs of `external_data` and the model's folder. Out: exactly the tensor's bytes.
//! Guarantees: nothing outside of the folder is opened, whatever the path or the links in it say.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path};

use bytes::Bytes;

use crate::diag::{Diagnostic, code};

/// Reads `bytes` bytes. Keys are `location`, `offset`, `length` and `checksum` (not verified).
///
/// # Errors
/// `EXTERNAL_DATA`.
pub(super) fn load(entries: &[(&str, &str)], dir: Option<&Path>, bytes: usize) -> Result<Bytes, Diagnostic> {
    let mut location = None;
    let mut offset = None;
    let mut length = None;
    let mut checksum = None;
    for &(key, value) in entries {
        let slot = match key {
            "location" => &mut location,
            "offset" => &mut offset,
            "length" => &mut length,
            "checksum" => &mut checksum,
            _ => return Err(refuse(format!("the key {key:?} is not known"))),
        };
        if slot.replace(value).is_some() {
            return Err(refuse(format!("the key {key:?} is given twice")));
        }
    }
    let location = location.filter(|l| !l.is_empty()).ok_or_else(|| refuse("no location is given"))?;
    let dir = dir.ok_or_else(|| refuse("the model was not read from a folder"))?;
    let offset = number("offset", offset)?.unwrap_or(0);
    let want = bytes as u64;
    if let Some(length) = number("length", length)?
        && length != want
    {
        return Err(refuse(format!("length is {length}, but the tensor's shape and type need {want} bytes")));
    }
    let mut file = open(dir, location)?;
    let fail = |e: std::io::Error| refuse(format!("{location:?}: {e}"));
    let size = file.metadata().map_err(fail)?.len();
    if offset.checked_add(want).is_none_or(|end| end > size) {
        return Err(refuse(format!(
            "{location:?} has {size} bytes; {want} bytes at offset {offset} are asked for"
        )));
    }
    file.seek(SeekFrom::Start(offset)).map_err(fail)?;
    let mut data = vec![0; bytes];
    file.read_exact(&mut data).map_err(fail)?;
    Ok(Bytes::from(data))
}

fn refuse(cause: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code::EXTERNAL_DATA, "external tensor data can't be used", cause)
}

/// Decimal digits only: no sign, no blanks.
fn number(key: &str, text: Option<&str>) -> Result<Option<u64>, Diagnostic> {
    let Some(text) = text else { return Ok(None) };
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse(format!("{key} is {text:?}, not a number of bytes")));
    }
    text.parse().map(Some).map_err(|_| refuse(format!("{key} is {text:?}, not a number of bytes")))
}

fn open(dir: &Path, location: &str) -> Result<File, Diagnostic> {
    let outside = || refuse(format!("{location:?} leads out of the model's folder"));
    // Separators and drive letters of other systems count too, so that a model is judged alike everywhere.
    if location.contains(['\\', '\0']) || location.as_bytes().get(1) == Some(&b':') {
        return Err(outside());
    }
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
    if !Path::new(location).components().all(plain) {
        return Err(outside());
    }
    let fail = |e: std::io::Error| refuse(format!("{location:?}: {e}"));
    let root = dir.canonicalize().map_err(fail)?;
    let path = root.join(location).canonicalize().map_err(fail)?;
    if !path.starts_with(&root) {
        return Err(outside());
    }
    if !path.metadata().map_err(fail)?.is_file() {
        return Err(refuse(format!("{location:?} is not a regular file")));
    }
    File::open(&path).map_err(fail)
}
