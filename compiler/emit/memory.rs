//! Memory images: `.hex` always, other formats on request.

use serde::{Deserialize, Serialize};

use super::{File, internal, vectors::npy};
use crate::design::{Design, External, Memory};
use crate::diag::Result;

/// A format of a memory image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MemFormat {
    /// `$readmemh`: hexadecimal digits, most significant first.
    Hex,
    /// `$readmemb`: binary digits, most significant first.
    Bin,
    /// Unsigned decimal numbers.
    Dec,
    /// Xilinx coefficient file.
    Coe,
    /// Intel memory initialization file.
    Mif,
    /// NumPy uint8 array, one row of little-endian bytes a word.
    Npy,
}

impl MemFormat {
    /// The file name's ending.
    pub fn extension(self) -> &'static str {
        match self {
            MemFormat::Hex => "hex",
            MemFormat::Bin => "bin",
            MemFormat::Dec => "dec",
            MemFormat::Coe => "coe",
            MemFormat::Mif => "mif",
            MemFormat::Npy => "npy",
        }
    }

    fn describe(self) -> &'static str {
        match self {
            MemFormat::Hex => "hexadecimal text for $readmemh, one word a line, most significant digit first",
            MemFormat::Bin => "binary text for $readmemb, one word a line, most significant digit first",
            MemFormat::Dec => "unsigned decimal text, one word a line",
            MemFormat::Coe => "Xilinx coefficient file, radix 16",
            MemFormat::Mif => "Intel memory initialization file, radix 16",
            MemFormat::Npy => "NumPy uint8 array, one row a word, least significant byte first",
        }
    }
}

/// Adds every memory in every format asked for, `.hex` among them.
pub(super) fn add(design: &Design, formats: &[MemFormat], out: &mut Vec<File>) -> Result<()> {
    let mut formats: Vec<_> = formats.iter().copied().chain([MemFormat::Hex]).collect();
    formats.sort_unstable();
    formats.dedup();
    for memory in &design.memories {
        for &format in &formats {
            let bytes = image(memory, format)?;
            let mut file =
                File::bytes(format!("mem/{}.{}", memory.name, format.extension()), memory.what, bytes);
            let e = &mut file.entry;
            e.shape = Some(vec![memory.words.len()]);
            e.width = Some(memory.width);
            e.sign = Some("packed".into());
            e.layout = Some(format.describe().into());
            e.packing = Some(memory.packing.clone());
            e.fields = memory.fields.clone();
            e.endianness = Some("element 0 of a word in its least significant bits".into());
            out.push(file);
        }
    }
    if let Some(e) = &design.external {
        external(e, out);
    }
    Ok(())
}

/// Adds the image for external memory: as it lies there, and as beats for the Verilog testbench.
fn external(e: &External, out: &mut Vec<File>) {
    let beat = e.bus_bits / 8;
    let beats = e.bytes.len() / beat;
    let hex = lines(e.bytes.chunks(beat).map(|b| hex_word(b, e.bus_bits)));
    let raw = e.bytes.clone();
    for (ending, what, layout, bytes) in [
        ("bin", "weights and parameters for external memory", "raw bytes, ascending by address", raw),
        (
            "hex",
            "the same for the Verilog testbench",
            "hexadecimal text for $readmemh, one beat a line, most significant digit first",
            hex,
        ),
    ] {
        let mut file = File::bytes(format!("mem/external.{ending}"), what, bytes);
        file.entry.shape = Some(vec![beats]);
        file.entry.width = Some(e.bus_bits);
        file.entry.sign = Some("packed".into());
        file.entry.layout = Some(layout.into());
        file.entry.packing = Some(
            "words of `weights` and `parameters` in the order in which `commands` loads them, each in whole beats"
                .into(),
        );
        file.entry.endianness = Some("little: first byte in a beat's least significant bits".into());
        out.push(file);
    }
}

fn image(memory: &Memory, format: MemFormat) -> Result<Vec<u8>> {
    let words = &memory.words;
    let hex = |w: &Vec<u8>| hex_word(w, memory.width);
    Ok(match format {
        MemFormat::Hex => lines(words.iter().map(hex)),
        MemFormat::Bin => lines(words.iter().map(|w| {
            (0..memory.width).rev().map(|i| if w[i / 8] >> (i % 8) & 1 == 1 { '1' } else { '0' }).collect()
        })),
        MemFormat::Dec => lines(words.iter().map(|w| decimal(w))),
        MemFormat::Coe => {
            let body: Vec<String> = words.iter().map(hex).collect();
            format!("memory_initialization_radix=16;\nmemory_initialization_vector=\n{};\n", body.join(",\n"))
                .into_bytes()
        }
        MemFormat::Mif => {
            let mut s = format!(
                "WIDTH={};\nDEPTH={};\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\nCONTENT BEGIN\n",
                memory.width,
                words.len()
            );
            for (i, w) in words.iter().enumerate() {
                s.push_str(&format!("{i:X} : {};\n", hex(w)));
            }
            s.push_str("END;\n");
            s.into_bytes()
        }
        MemFormat::Npy => {
            let row = memory.width.div_ceil(8);
            npy(&[words.len(), row], words.concat()).map_err(internal)?
        }
    })
}

fn lines(words: impl Iterator<Item = String>) -> Vec<u8> {
    let mut s = String::new();
    for w in words {
        s.push_str(&w);
        s.push('\n');
    }
    s.into_bytes()
}

/// Little-endian bytes as `width` bits of hexadecimal digits, most significant first.
pub(super) fn hex_word(word: &[u8], width: usize) -> String {
    let digit = |i: usize| char::from_digit(u32::from(word[i / 2] >> (4 * (i % 2)) & 15), 16).unwrap_or('0');
    (0..width.div_ceil(4)).rev().map(digit).collect()
}

/// Little-endian bytes as one unsigned decimal number, by repeated division.
fn decimal(word: &[u8]) -> String {
    let mut n = word.to_vec();
    let mut digits = Vec::new();
    while n.iter().any(|b| *b != 0) {
        let mut rest = 0_u16;
        for b in n.iter_mut().rev() {
            let v = rest * 256 + u16::from(*b);
            // v / 10 fits: v is at most 9 * 256 + 255.
            *b = u8::try_from(v / 10).unwrap_or(u8::MAX);
            rest = v % 10;
        }
        digits.push(char::from_digit(u32::from(rest), 10).unwrap_or('0'));
    }
    if digits.is_empty() { "0".into() } else { digits.iter().rev().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 12-bit memory of the words 0x001, 0xABC in every format.
    #[test]
    fn every_format() {
        let memory = Memory {
            name: "m",
            param: "M_INIT",
            width: 12,
            words: vec![vec![0x01, 0x00], vec![0xbc, 0x0a]],
            what: "w",
            packing: "p".into(),
            fields: vec![],
        };
        let check = |format, expect: &str| {
            assert_eq!(String::from_utf8_lossy(&image(&memory, format).unwrap()), expect, "{format:?}");
        };
        check(MemFormat::Hex, "001\nabc\n");
        check(MemFormat::Bin, "000000000001\n101010111100\n");
        check(MemFormat::Dec, "1\n2748\n");
        check(MemFormat::Coe, "memory_initialization_radix=16;\nmemory_initialization_vector=\n001,\nabc;\n");
        check(
            MemFormat::Mif,
            "WIDTH=12;\nDEPTH=2;\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\nCONTENT BEGIN\n0 : 001;\n1 : abc;\nEND;\n",
        );
        assert!(image(&memory, MemFormat::Npy).unwrap().ends_with(&[1, 0, 0xbc, 0x0a]));
        assert_eq!(decimal(&[0; 9]), "0");
        assert_eq!(decimal(&[0xff; 9]), "4722366482869645213695");
    }
}
