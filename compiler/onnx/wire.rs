//! Walks the protobuf wire format before prost decodes it.
//!
//! In: the bytes of a `ModelProto`. Out: nothing, or why they are refused. Guarantees for what follows: every
//! field is one that the schema knows, has its declared wire type and range, is given once unless it repeats, and
//! lies within its parent; nesting, messages, fields and packed numbers stay within the limits. prost alone would
//! drop unknown fields, merge repeated ones, cut numbers to 32 bits, and allocate some hundred times the file's
//! size for hostile input.

use super::schema::{MESSAGES, MODEL};
use super::{MAX_DEPTH, MAX_ELEMENTS, MAX_FIELDS, MAX_MESSAGES};
use crate::diag::{Diagnostic, code};

/// A message type of the schema.
pub(super) struct Message {
    /// Name without the package.
    pub(super) name: &'static str,
    /// Fields, ascending by number.
    pub(super) fields: &'static [Field],
}

/// A field of a message type.
pub(super) struct Field {
    /// Field number.
    pub(super) number: u32,
    /// Field name.
    pub(super) name: &'static str,
    /// How it is stored.
    pub(super) kind: Kind,
    /// Whether it may be given more than once.
    pub(super) repeated: bool,
    /// The group of alternatives that it belongs to.
    pub(super) oneof: Option<i32>,
}

/// How a field is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 64-bit integers.
    Varint,
    /// 32-bit integers and enums.
    Int32,
    /// `float`.
    Fixed32,
    /// `double`.
    Fixed64,
    /// Strings and bytes.
    Bytes,
    /// A message: its index in the table.
    Message(usize),
}

/// Checks a whole file.
///
/// # Errors
/// `NOT_ONNX` for malformed bytes, `LIMIT_EXCEEDED` for too much of something.
pub(super) fn scan(bytes: &[u8]) -> Result<(), Diagnostic> {
    if bytes.is_empty() {
        return Err(bad("the file is empty"));
    }
    Scan { bytes, messages: 0, fields: 0, packed: 0 }.message(MODEL, 0, bytes.len(), 0)
}

struct Scan<'a> {
    bytes: &'a [u8],
    messages: usize,
    fields: usize,
    packed: usize,
}

fn bad(cause: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code::NOT_ONNX, "the file is not a well-formed ONNX model", cause)
}

fn limit(count: usize, what: &str, most: usize) -> Result<(), Diagnostic> {
    if count <= most {
        return Ok(());
    }
    Err(Diagnostic::new(
        code::LIMIT_EXCEEDED,
        format!("the model has too many {what}"),
        format!("more than {most}"),
    ))
}

impl Scan<'_> {
    fn message(&mut self, ty: usize, mut at: usize, end: usize, depth: usize) -> Result<(), Diagnostic> {
        limit(depth, "levels of nesting", MAX_DEPTH)?;
        self.messages += 1;
        limit(self.messages, "protobuf messages", MAX_MESSAGES)?;
        let Message { name, fields } = &MESSAGES[ty];
        let mut seen = 0u64;
        let mut alternatives = 0u64;
        while at < end {
            let start = at;
            self.fields += 1;
            limit(self.fields, "protobuf fields", MAX_FIELDS)?;
            let key = self.varint(&mut at, end)?;
            let number = key >> 3;
            let Some((index, field)) = fields.iter().enumerate().find(|(_, f)| u64::from(f.number) == number)
            else {
                return Err(bad(format!("byte {start}: {name} has no field {number} in IR version 14")));
            };
            let once = field.repeated || seen & (1 << index) == 0;
            let alone = field.oneof.is_none_or(|o| alternatives & (1 << o) == 0);
            if !once || !alone {
                return Err(bad(format!("byte {start}: {name}.{} is given twice", field.name)));
            }
            seen |= 1 << index;
            alternatives |= field.oneof.map_or(0, |o| 1 << o);
            match (key & 7, field.kind) {
                (0, kind @ (Kind::Varint | Kind::Int32)) => {
                    self.number(kind, &mut at, end)?;
                }
                (1, Kind::Fixed64) => at = self.skip(at, 8, end)?,
                (5, Kind::Fixed32) => at = self.skip(at, 4, end)?,
                (2, kind) => {
                    let length = self.varint(&mut at, end)?;
                    let stop = self.skip(at, length, end)?;
                    match kind {
                        Kind::Message(inner) => self.message(inner, at, stop, depth + 1)?,
                        Kind::Bytes => {}
                        Kind::Varint | Kind::Int32 if field.repeated => {
                            let mut from = at;
                            while from < stop {
                                self.packed += 1;
                                limit(self.packed, "packed numbers", MAX_ELEMENTS)?;
                                self.number(kind, &mut from, stop)?;
                            }
                        }
                        Kind::Fixed32 if field.repeated && length % 4 == 0 => {}
                        Kind::Fixed64 if field.repeated && length % 8 == 0 => {}
                        Kind::Varint | Kind::Int32 | Kind::Fixed32 | Kind::Fixed64 => {
                            return Err(wire_type(start, name, field, 2));
                        }
                    }
                    at = stop;
                }
                (wire, _) => return Err(wire_type(start, name, field, wire)),
            }
        }
        Ok(())
    }

    /// A number that its type can hold: prost would keep the low 32 bits of an `int32`.
    fn number(&self, kind: Kind, at: &mut usize, end: usize) -> Result<(), Diagnostic> {
        let start = *at;
        let signed = self.varint(at, end)?.cast_signed();
        if kind == Kind::Int32 && i32::try_from(signed).is_err() {
            return Err(bad(format!("byte {start}: {signed} is no 32-bit number")));
        }
        Ok(())
    }

    fn skip(&self, at: usize, length: u64, end: usize) -> Result<usize, Diagnostic> {
        usize::try_from(length).ok().and_then(|n| at.checked_add(n)).filter(|&stop| stop <= end).ok_or_else(
            || bad(format!("byte {at}: {length} bytes are announced, {} are left", end.saturating_sub(at))),
        )
    }

    fn varint(&self, at: &mut usize, end: usize) -> Result<u64, Diagnostic> {
        let mut value = 0u64;
        for (i, &byte) in self.bytes[*at..end].iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if i == 9 && bits > 1 {
                return Err(bad(format!("byte {at}: a number is longer than 64 bits")));
            }
            value |= bits << (7 * i);
            if byte < 0x80 {
                *at += i + 1;
                return Ok(value);
            }
        }
        Err(bad(format!("byte {at}: a number has no end")))
    }
}

fn wire_type(at: usize, message: &str, field: &Field, wire: u64) -> Diagnostic {
    bad(format!("byte {at}: {message}.{} can't have wire type {wire}", field.name))
}
