//! The register map of the AXI4-Lite slave, as data.
//!
//! [`REGISTERS`] is the only place where a register is described. From it come the decode in
//! `rtl/o2c_axil_regs.v`, the C header `onnx2chip_regs.h` and `docs/registers.md` (see [`super::regmap_render`]);
//! a test holds the committed files to it.

/// Bits of a byte address of the slave.
pub const ADDRESS_BITS: u32 = 8;

/// What the two sides of a field may do, and what it holds after reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Software reads a value fixed here.
    Constant(u32),
    /// Software reads what the hardware drives.
    ReadOnly,
    /// Software reads and writes; the value after reset.
    ReadWrite(u32),
    /// Hardware sets a bit, software clears it by writing 1; 0 after reset.
    WriteOneToClear,
    /// Writing 1 gives the hardware a pulse; reads as 0.
    WriteOneToPulse,
}

impl Access {
    /// The usual abbreviation.
    pub fn short(self) -> &'static str {
        match self {
            Access::Constant(_) | Access::ReadOnly => "RO",
            Access::ReadWrite(_) => "RW",
            Access::WriteOneToClear => "W1C",
            Access::WriteOneToPulse => "W1P",
        }
    }
    /// Whether a write has any effect.
    pub fn writable(self) -> bool {
        match self {
            Access::Constant(_) | Access::ReadOnly => false,
            Access::ReadWrite(_) | Access::WriteOneToClear | Access::WriteOneToPulse => true,
        }
    }
}

/// Adjoining bits of a register with one meaning.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Lower-case name, unique in its register; empty where the field is the whole register.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: u32,
    /// Bits, 1 to 32.
    pub width: u32,
    /// Who may do what.
    pub access: Access,
    /// One sentence or two.
    pub doc: &'static str,
}

/// One 32-bit word of the map.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Lower-case name.
    pub name: &'static str,
    /// Byte offset, a multiple of 4.
    pub offset: u32,
    /// Lowest bit first.
    pub fields: &'static [Field],
    /// One sentence or two.
    pub doc: &'static str,
}

const fn field(name: &'static str, lsb: u32, width: u32, access: Access, doc: &'static str) -> Field {
    Field { name, lsb, width, access, doc }
}

use Access::{Constant, ReadOnly, ReadWrite, WriteOneToClear, WriteOneToPulse};

/// The map, ascending by offset.
pub const REGISTERS: &[Register] = &[
    Register {
        name: "id",
        offset: 0x00,
        fields: &[field("", 0, 32, Constant(0x6F32_6331), "`o2c1` in ASCII, first letter in the top byte.")],
        doc: "Tells that this is an onnx2chip accelerator.",
    },
    Register {
        name: "version",
        offset: 0x04,
        fields: &[
            field("minor", 0, 16, Constant(1), "Rises with additions that old software may ignore."),
            field("major", 16, 16, Constant(1), "Rises with changes that old software must know of."),
        ],
        doc: "Version of this register map.",
    },
    Register {
        name: "caps",
        offset: 0x08,
        fields: &[
            field("log2_p", 0, 4, ReadOnly, "log2 of the pixels computed at once."),
            field("log2_c", 4, 4, ReadOnly, "log2 of the input channels taken in one cycle."),
            field("log2_k", 8, 4, ReadOnly, "log2 of the output channels computed at once."),
        ],
        doc: "Shape of the compute array.",
    },
    Register {
        name: "ctrl",
        offset: 0x0C,
        fields: &[
            field(
                "start",
                0,
                1,
                WriteOneToPulse,
                "Processes one sample: the one waiting, or the next to come. Up to 255 starts are remembered.",
            ),
            field(
                "auto",
                1,
                1,
                ReadWrite(0),
                "While 1, samples are processed as they come, without a start.",
            ),
            field(
                "soft_reset",
                2,
                1,
                WriteOneToPulse,
                "Resets engine, streams, remembered starts and counters for 16 cycles, longer while reads of external memory are under way, in which a start is lost, as in the 16 after a hard reset; the other registers stay. Stop the streams first: a packet on its way is cut.",
            ),
        ],
        doc: "What to do.",
    },
    Register {
        name: "status",
        offset: 0x10,
        fields: &[
            field("busy", 0, 1, ReadOnly, "The engine processes a sample."),
            field("input_full", 1, 1, ReadOnly, "A whole sample stands in the input region."),
            field(
                "output_full",
                2,
                1,
                ReadOnly,
                "The output region still holds words that have not been sent.",
            ),
            field("start_pending", 3, 1, ReadOnly, "A start is remembered that has not been used."),
            field("resetting", 4, 1, ReadOnly, "A soft reset is in progress."),
        ],
        doc: "What is going on.",
    },
    Register {
        name: "irq_enable",
        offset: 0x14,
        fields: &[
            field("done", 0, 1, ReadWrite(0), "Lets `irq_status.done` raise the interrupt."),
            field("error", 1, 1, ReadWrite(0), "Lets `irq_status.error` raise the interrupt."),
        ],
        doc: "Which events raise the interrupt.",
    },
    Register {
        name: "irq_status",
        offset: 0x18,
        fields: &[
            field("done", 0, 1, WriteOneToClear, "A sample has been processed."),
            field("error", 1, 1, WriteOneToClear, "A bit of `error` has been set."),
        ],
        doc: "Events. The interrupt is a level: high while an enabled event is set.",
    },
    Register {
        name: "error",
        offset: 0x1C,
        fields: &[
            field(
                "short_packet",
                0,
                1,
                WriteOneToClear,
                "TLAST came before the sample's last byte; the sample was dropped.",
            ),
            field(
                "long_packet",
                1,
                1,
                WriteOneToClear,
                "TLAST was missing on the sample's last byte; the bytes up to it were thrown away.",
            ),
            field(
                "bad_access",
                2,
                1,
                WriteOneToClear,
                "An access met SLVERR: no register there, or a write to one that is read-only.",
            ),
            field(
                "bus",
                3,
                1,
                WriteOneToClear,
                "External memory answered a read with an error; results since then are not to be trusted; a soft reset loads everything again.",
            ),
        ],
        doc: "What went wrong.",
    },
    Register {
        name: "cycles",
        offset: 0x20,
        fields: &[field(
            "",
            0,
            32,
            ReadOnly,
            "Clock cycles from the first descriptor to the last byte written.",
        )],
        doc: "Of the last sample processed.",
    },
    Register {
        name: "layers",
        offset: 0x24,
        fields: &[field("", 0, 16, ReadOnly, "Descriptors of the network.")],
        doc: "Size of the network.",
    },
    Register {
        name: "samples",
        offset: 0x28,
        fields: &[field("", 0, 32, ReadOnly, "Samples processed since reset, modulo 2^32.")],
        doc: "How many.",
    },
    Register {
        name: "total_cycles_lo",
        offset: 0x30,
        fields: &[field("", 0, 32, ReadOnly, "Low half of the clock cycles spent on samples since reset.")],
        doc: "Read high, low, high until both high words agree.",
    },
    Register {
        name: "total_cycles_hi",
        offset: 0x34,
        fields: &[field("", 0, 32, ReadOnly, "High half.")],
        doc: "See `total_cycles_lo`.",
    },
    Register {
        name: "ext_base_lo",
        offset: 0x40,
        fields: &[field("", 12, 20, ReadWrite(0), "Bits 31 to 12; the lower ones are 0.")],
        doc: "Where the image of weights and parameters begins in external memory, a multiple of 4 KiB. To be written before the first start; without effect in designs without external memory.",
    },
    Register {
        name: "ext_base_hi",
        offset: 0x44,
        fields: &[field("", 0, 32, ReadWrite(0), "Bits 63 to 32.")],
        doc: "See `ext_base_lo`.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets ascend in words inside the address space; fields ascend, do not overlap and have distinct names.
    #[test]
    fn the_map_is_sound() {
        let mut next = 0;
        for register in REGISTERS {
            assert!(register.offset >= next && register.offset % 4 == 0, "{}", register.name);
            next = register.offset + 4;
            assert!(next <= 1 << ADDRESS_BITS, "{}", register.name);
            let mut bit = 0;
            for f in register.fields {
                assert!(f.lsb >= bit && f.width >= 1, "{}.{}", register.name, f.name);
                bit = f.lsb + f.width;
                assert!(bit <= 32, "{}.{}", register.name, f.name);
                assert_eq!(f.name.is_empty(), register.fields.len() == 1, "{}.{}", register.name, f.name);
                let fits = |v: u32| f.width == 32 || v >> f.width == 0;
                match f.access {
                    Access::Constant(v) | Access::ReadWrite(v) => {
                        assert!(fits(v), "{}.{}", register.name, f.name)
                    }
                    Access::ReadOnly | Access::WriteOneToClear | Access::WriteOneToPulse => {}
                }
            }
        }
        let mut names: Vec<_> = REGISTERS.iter().map(|r| r.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), REGISTERS.len());
    }
}
