//! What a device has: multipliers, block memory, clock, tools. One line for each; `generic` has no limits.

use serde::Serialize;

use crate::design::{Design, MemoryShape, Multipliers};
use crate::diag::{Diagnostic, Diagnostics, Result, code};

/// Devices with the same cells and tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// No particular one.
    Generic,
    /// Lattice ECP5: Yosys and nextpnr; MULT18X18D, DP16KD.
    Ecp5,
    /// AMD 7 series: Yosys for area, Vivado; DSP48E1, RAMB36E1.
    Xilinx,
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The name that `--target` takes.
    pub name: &'static str,
    /// What it is.
    pub device: &'static str,
    /// Which cells and tools it has.
    pub family: Family,
    /// How place and route is told the device: nextpnr-ecp5's options, or Vivado's part. Empty for `generic`.
    pub part: &'static str,
    /// Clock that the constraints ask for, MHz.
    pub clock_mhz: u32,
    /// Hardware multipliers of 18 x 18 bits or more; 0 for no limit.
    pub multipliers: usize,
    /// Block memories; 0 for no limit.
    pub blocks: usize,
    /// What the array's multipliers are unless asked for otherwise; packed only where they can be.
    pub array: Multipliers,
}

/// Every target. Figures from the vendors' family tables (Lattice FPGA-DS-02012, AMD DS180 and DS190).
pub const TARGETS: &[Target] = &[
    Target {
        name: "generic",
        device: "any FPGA or ASIC, no limits checked",
        family: Family::Generic,
        part: "",
        clock_mhz: 100,
        multipliers: 0,
        blocks: 0,
        array: Multipliers::Infer,
    },
    Target {
        name: "generic-lut",
        device: "any FPGA without multipliers, no limits checked",
        family: Family::Generic,
        part: "",
        clock_mhz: 50,
        multipliers: 0,
        blocks: 0,
        array: Multipliers::Lut,
    },
    Target {
        name: "ecp5-25k",
        device: "Lattice LFE5U-25F",
        family: Family::Ecp5,
        part: "--25k --package CABGA381",
        clock_mhz: 75,
        multipliers: 28,
        blocks: 56,
        array: Multipliers::Infer,
    },
    Target {
        name: "ecp5-45k",
        device: "Lattice LFE5U-45F",
        family: Family::Ecp5,
        part: "--45k --package CABGA554",
        clock_mhz: 75,
        multipliers: 72,
        blocks: 108,
        array: Multipliers::Infer,
    },
    Target {
        name: "ecp5-85k",
        device: "Lattice LFE5U-85F",
        family: Family::Ecp5,
        part: "--85k --package CABGA756",
        clock_mhz: 75,
        multipliers: 156,
        blocks: 208,
        array: Multipliers::Infer,
    },
    Target {
        name: "xc7a35t",
        device: "AMD Artix-7 35T",
        family: Family::Xilinx,
        part: "xc7a35tcsg324-1",
        clock_mhz: 100,
        multipliers: 90,
        blocks: 50,
        array: Multipliers::Packed,
    },
    Target {
        name: "xc7a100t",
        device: "AMD Artix-7 100T",
        family: Family::Xilinx,
        part: "xc7a100tcsg324-1",
        clock_mhz: 100,
        multipliers: 240,
        blocks: 135,
        array: Multipliers::Packed,
    },
    Target {
        name: "xc7z020",
        device: "AMD Zynq-7020",
        family: Family::Xilinx,
        part: "xc7z020clg400-1",
        clock_mhz: 100,
        multipliers: 220,
        blocks: 140,
        array: Multipliers::Packed,
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

impl Family {
    /// Its name as files and options have it; empty for `Generic`.
    pub fn name(self) -> &'static str {
        match self {
            Family::Generic => "",
            Family::Ecp5 => "ecp5",
            Family::Xilinx => "xilinx",
        }
    }

    /// The cell that a block memory is, and its shapes as a read-only memory: bits of a word, words. Empty for `Generic`.
    pub fn block(self) -> (&'static str, &'static [(usize, usize)]) {
        match self {
            Family::Generic => ("", &[]),
            Family::Ecp5 => {
                ("DP16KD", &[(36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16_384)])
            }
            Family::Xilinx => (
                "RAMB36E1",
                &[(72, 512), (36, 1024), (18, 2048), (9, 4096), (4, 8192), (2, 16_384), (1, 32_768)],
            ),
        }
    }
}

impl Target {
    /// Products a cycle for which the device's multipliers last if they are used in this way; `None` for no limit.
    pub fn products(&self, multipliers: Multipliers) -> Option<usize> {
        match multipliers {
            Multipliers::Infer => Some(self.multipliers),
            Multipliers::Packed => Some(2 * self.multipliers),
            Multipliers::Lut => None,
        }
        .filter(|n| *n != 0)
    }

    /// Block memories that a memory takes: an estimate of what Yosys makes of it. `None` without blocks to count.
    pub fn blocks_of(&self, memory: &MemoryShape) -> Option<usize> {
        let MemoryShape { width, depth, working, .. } = *memory;
        let (_, shapes) = self.family.block();
        if !working {
            return shapes.iter().map(|&(w, d)| width.div_ceil(w) * depth.div_ceil(d)).min();
        }
        // Columns of 18 kbit, as rtl/o2c_ram.v cuts them.
        const COLUMNS: [(usize, usize); 5] = [(18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16_384)];
        let &(w, d) = COLUMNS.iter().find(|(_, d)| depth <= *d).unwrap_or(&COLUMNS[4]);
        let columns = width.div_ceil(w) * depth.div_ceil(d);
        match self.family {
            Family::Generic => None,
            Family::Ecp5 => Some(columns),
            Family::Xilinx => Some(columns.div_ceil(2)),
        }
    }

    /// Bits of all block memories; 0 for no limit.
    pub fn memory_bits(&self) -> usize {
        let bits = self.family.block().1.iter().map(|(w, d)| w * d).max();
        self.blocks * bits.unwrap_or(0)
    }

    /// Whether the design's multipliers are there, and its memories fit by bits: a lower bound, since blocks have
    /// fixed shapes.
    ///
    /// # Errors
    /// O2C0401 with both figures for each that does not fit.
    pub fn check(&self, design: &Design) -> Result<()> {
        let mut faults = Vec::new();
        let need = design.hardware_multipliers();
        if self.multipliers != 0 && need > self.multipliers {
            let [p, c, k] = design.array;
            let cause = format!(
                "{need} multipliers, {} of the array {p},{c},{k} and {} of each of {} requantize lanes; {} has {}",
                design.array_multipliers(),
                design.lane_multipliers(),
                design.lanes,
                self.device,
                self.multipliers
            );
            faults.push(
                Diagnostic::new(code::BUDGET_EXCEEDED, "the target has too few multipliers", cause)
                    .remedy("choose a smaller array, or a larger target"),
            );
        }
        let bits: usize = design.memory_shapes().map(|m| m.width * m.depth).sum();
        let most = self.memory_bits();
        if most != 0 && bits > most {
            let cause = format!("the design's memories hold {bits} bits, {} has {most}", self.device);
            faults.push(
                Diagnostic::new(code::BUDGET_EXCEEDED, "the network does not fit the target's memory", cause)
                    .remedy("choose a larger target or a smaller network"),
            );
        }
        if faults.is_empty() { Ok(()) } else { Err(Diagnostics(faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against what Yosys 0.23 makes of LeNet's memories on array 1,2,8 (first four), and by hand.
    #[test]
    fn blocks() {
        for (target, working, width, depth, expect) in [
            ("ecp5-25k", false, 32, 110, Some(1)),
            ("ecp5-25k", false, 86, 42, Some(3)),
            ("ecp5-25k", false, 128, 471, Some(4)),
            ("ecp5-25k", true, 16, 6277, Some(8)),
            ("ecp5-25k", true, 1, 16_385, Some(2)),
            ("xc7a35t", false, 36, 1025, Some(2)),
            ("xc7a35t", true, 36, 1024, Some(1)),
            ("generic", true, 8, 8, None),
        ] {
            let got = find(target).unwrap().blocks_of(&MemoryShape { name: "m", width, depth, working });
            assert_eq!(got, expect, "{target} {working} {width} {depth}");
        }
        assert_eq!(find("ecp5-85k").unwrap().memory_bits(), 208 * 18_432);
        assert_eq!(find("xc7a35t").unwrap().memory_bits(), 50 * 36_864);
    }
}
