//! `manifest.json`: what every file is, well enough to use it without reading the source.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{FORMAT, File, internal};
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
    /// `signed` (two's complement), `unsigned` or `packed` (see `packing`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sign: Option<String>,
    /// Meaning and order of the axes, and the file's encoding.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layout: Option<String>,
    /// What stands where in one word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub packing: Option<String>,
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
    /// Every other file of the folder, ascending by path.
    pub files: Vec<Entry>,
}

impl Manifest {
    pub(super) fn new(top: &str, files: &[File]) -> Manifest {
        Manifest {
            format: FORMAT.into(),
            generator: concat!("onnx2chip ", env!("CARGO_PKG_VERSION")).into(),
            top: top.into(),
            files: files.iter().map(|f| f.entry.clone()).collect(),
        }
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
