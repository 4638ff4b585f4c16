//! The register map as Verilog decode, C header and Markdown.
//!
//! In: [`REGISTERS`]. Out: three texts, deterministic; an error only from askama itself. The committed copies are
//! `rtl/o2c_axil_regs.v`, `testbench/onnx2chip_regs.h` and `docs/registers.md`; the test below compares them, and
//! `O2C_BLESS=1 cargo nextest run regmap` rewrites them.

use askama::Template;

use super::regmap::{ADDRESS_BITS, Access, Field, REGISTERS, Register};

/// `rtl/o2c_axil_regs.v`: the decode. Behaviour lives in `o2c_axil` and the `o2c_field_*` cells.
pub fn verilog() -> askama::Result<String> {
    text(&Verilog { word_bits: ADDRESS_BITS - 2, address_bits: ADDRESS_BITS, registers: views() })
}

/// `onnx2chip_regs.h`: offsets, masks and shifts for C and C++.
pub fn c_header() -> askama::Result<String> {
    text(&Header { registers: views() })
}

/// `docs/registers.md`.
pub fn markdown() -> askama::Result<String> {
    text(&Markdown { address_bits: ADDRESS_BITS, registers: views() })
}

/// The text with the newline at its end that askama takes away.
fn text(template: &impl Template) -> askama::Result<String> {
    Ok(template.render()? + "\n")
}

#[derive(Template)]
#[template(path = "o2c_axil_regs.v", syntax = "verilog")]
struct Verilog {
    word_bits: u32,
    address_bits: u32,
    registers: Vec<RegisterView>,
}

#[derive(Template)]
#[template(path = "onnx2chip_regs.h", syntax = "verilog")]
struct Header {
    registers: Vec<RegisterView>,
}

#[derive(Template)]
#[template(path = "registers.md", syntax = "verilog")]
struct Markdown {
    address_bits: u32,
    registers: Vec<RegisterView>,
}

/// A register with its texts ready for the templates.
struct RegisterView {
    name: &'static str,
    upper: String,
    offset: String,
    /// The word address as a Verilog literal.
    word: String,
    writable: bool,
    doc: &'static str,
    /// Verilog concatenation of what a read returns, highest bit first.
    value: String,
    fields: Vec<FieldView>,
}

struct FieldView {
    access: Access,
    short: &'static str,
    /// Port stem: `register_field`, or `register` for a field that is the whole register.
    port: String,
    upper: String,
    /// `[3:0] `, or nothing for one bit.
    range: String,
    /// `[7:4]` or `[2]`: the place in the register.
    slice: String,
    /// `7:4` or `2`.
    bits: String,
    width: u32,
    lsb: u32,
    mask: String,
    reset: String,
    name: &'static str,
    doc: &'static str,
}

impl FieldView {
    fn read_only(&self) -> bool {
        self.access == Access::ReadOnly
    }
    fn read_write(&self) -> bool {
        matches!(self.access, Access::ReadWrite(_))
    }
    fn clear(&self) -> bool {
        self.access == Access::WriteOneToClear
    }
    fn pulse(&self) -> bool {
        self.access == Access::WriteOneToPulse
    }
    fn constant(&self) -> bool {
        matches!(self.access, Access::Constant(_))
    }
}

fn views() -> Vec<RegisterView> {
    REGISTERS.iter().map(register_view).collect()
}

fn register_view(register: &Register) -> RegisterView {
    let fields: Vec<_> = register.fields.iter().map(|f| field_view(register, f)).collect();
    let mut parts = Vec::new();
    let mut bit = 0;
    for (f, view) in register.fields.iter().zip(&fields) {
        if f.lsb > bit {
            parts.push(format!("{}'d0", f.lsb - bit));
        }
        bit = f.lsb + f.width;
        parts.push(match f.access {
            Access::Constant(v) => format!("{}'h{v:X}", f.width),
            Access::ReadOnly => format!("{}_i", view.port),
            Access::ReadWrite(_) | Access::WriteOneToClear => format!("{}_o", view.port),
            Access::WriteOneToPulse => format!("{}'d0", f.width),
        });
    }
    if bit < 32 {
        parts.push(format!("{}'d0", 32 - bit));
    }
    parts.reverse();
    RegisterView {
        name: register.name,
        upper: register.name.to_uppercase(),
        offset: format!("0x{:02X}", register.offset),
        word: format!("{}'h{:02X}", ADDRESS_BITS - 2, register.offset / 4),
        writable: register.fields.iter().any(|f| f.access.writable()),
        doc: register.doc,
        value: parts.join(if parts.len() > 4 { ",\n    " } else { ", " }),
        fields,
    }
}

fn field_view(register: &Register, f: &Field) -> FieldView {
    let port = if f.name.is_empty() { register.name.into() } else { format!("{}_{}", register.name, f.name) };
    let ones = if f.width == 32 { u32::MAX } else { (1 << f.width) - 1 };
    let bits = if f.width == 1 { f.lsb.to_string() } else { format!("{}:{}", f.lsb + f.width - 1, f.lsb) };
    FieldView {
        access: f.access,
        short: f.access.short(),
        upper: port.to_uppercase(),
        port,
        range: if f.width == 1 { String::new() } else { format!("[{}:0] ", f.width - 1) },
        slice: format!("[{bits}]"),
        bits,
        width: f.width,
        lsb: f.lsb,
        mask: format!("0x{:08X}", ones << f.lsb),
        reset: match f.access {
            Access::Constant(v) | Access::ReadWrite(v) => format!("0x{v:X}"),
            Access::ReadOnly => String::new(),
            Access::WriteOneToClear | Access::WriteOneToPulse => "0x0".into(),
        },
        name: f.name,
        doc: f.doc,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed files are what the table says.
    #[test]
    fn regmap_files_have_not_drifted() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for (path, want) in [
            ("rtl/o2c_axil_regs.v", verilog().unwrap()),
            ("testbench/onnx2chip_regs.h", c_header().unwrap()),
            ("docs/registers.md", markdown().unwrap()),
        ] {
            let path = root.join(path);
            if std::env::var_os("O2C_BLESS").is_some() {
                std::fs::write(&path, &want).expect("writable tree");
            }
            let have = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                have == want,
                "{} differs from the register table; O2C_BLESS=1 rewrites it",
                path.display()
            );
        }
    }

    /// Every field reaches each of the texts.
    #[test]
    fn every_field_is_rendered() {
        let (v, h, m) = (verilog().unwrap(), c_header().unwrap(), markdown().unwrap());
        for register in views() {
            assert!(h.contains(&format!("O2C_{} {}u", register.upper, register.offset)), "{}", register.name);
            assert!(m.contains(&format!("`{}`", register.name)), "{}", register.name);
            for field in &register.fields {
                assert!(field.constant() || v.contains(&format!(" {}_", field.port)), "{}", field.port);
                assert!(h.contains(&format!("O2C_{}_MASK {}u", field.upper, field.mask)), "{}", field.port);
                assert!(m.contains(field.doc), "{}", field.port);
            }
        }
    }
}
