//! What a device has: multipliers, block memory, clock. One line for each; `generic` has no limits.

use serde::Serialize;

use crate::design::Design;
use crate::diag::{Diagnostic, Result, code};

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The name that `--target` takes.
    pub name: &'static str,
    /// What it is.
    pub device: &'static str,
    /// Clock that the constraints ask for, MHz.
    pub clock_mhz: u32,
    /// Hardware multipliers; 0 where products are made of LUTs, or for no limit.
    pub multipliers: usize,
    /// Bits of block memory; 0 for no limit.
    pub memory_bits: usize,
}

/// Every target. Figures from the vendors' family tables (Lattice FPGA-DS-02012, AMD DS180 and DS190).
pub const TARGETS: &[Target] = &[
    Target {
        name: "generic",
        device: "any FPGA or ASIC, no limits checked",
        clock_mhz: 100,
        multipliers: 0,
        memory_bits: 0,
    },
    Target {
        name: "ecp5-25k",
        device: "Lattice LFE5U-25F",
        clock_mhz: 75,
        multipliers: 28,
        memory_bits: 56 * 18_432,
    },
    Target {
        name: "ecp5-45k",
        device: "Lattice LFE5U-45F",
        clock_mhz: 75,
        multipliers: 72,
        memory_bits: 108 * 18_432,
    },
    Target {
        name: "ecp5-85k",
        device: "Lattice LFE5U-85F",
        clock_mhz: 75,
        multipliers: 156,
        memory_bits: 208 * 18_432,
    },
    Target {
        name: "xc7a35t",
        device: "AMD Artix-7 35T",
        clock_mhz: 100,
        multipliers: 90,
        memory_bits: 50 * 36_864,
    },
    Target {
        name: "xc7a100t",
        device: "AMD Artix-7 100T",
        clock_mhz: 100,
        multipliers: 240,
        memory_bits: 135 * 36_864,
    },
    Target {
        name: "xc7z020",
        device: "AMD Zynq-7020",
        clock_mhz: 100,
        multipliers: 220,
        memory_bits: 140 * 36_864,
    },
];

/// The target of a name.
///
/// # Errors
/// O2C0004 listing the names.
pub fn find(name: &str) -> Result<&'static Target> {
    TARGETS.iter().find(|t| t.name == name).ok_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
        Diagnostic::new(
            code::CONFIG_INVALID,
            format!("{name:?} is not a target"),
            "it is not in the target table",
        )
        .remedy(format!("one of {}", names.join(", ")))
        .into()
    })
}

impl Target {
    /// Whether the design's memories fit, by bits: a lower bound, since blocks have fixed shapes.
    ///
    /// # Errors
    /// O2C0401 with both figures.
    pub fn check(&self, design: &Design) -> Result<()> {
        let initialised: usize = design.memories.iter().map(|m| m.width * m.words.len()).sum();
        let working: usize = design.storage.iter().map(|s| s.width * s.depth).sum();
        let bits = initialised + working;
        if self.memory_bits == 0 || bits <= self.memory_bits {
            return Ok(());
        }
        let cause =
            format!("the design's memories hold {bits} bits, {} has {}", self.device, self.memory_bits);
        Err(Diagnostic::new(code::BUDGET_EXCEEDED, "the network does not fit the target's memory", cause)
            .remedy("choose a larger target or a smaller network")
            .into())
    }
}
