//! The fixed library, carried in the binary: RTL and testbench, copied into every folder unchanged.

use super::{File, internal};
use crate::design::Design;
use crate::diag::Result;

macro_rules! embed {
    ($dir:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../", $dir, "/", $name)))),*]
    };
}

/// Every file of `rtl/`: name, text. A test holds the list against the folder.
pub const RTL_FILES: &[(&str, &str)] = embed!("rtl":
    "o2c_accelerator.v",
    "o2c_addr_gen.v",
    "o2c_argmax.v",
    "o2c_slide_gen.v",
    "o2c_axil.v",
    "o2c_axil_regs.v",
    "o2c_axis_pack.v",
    "o2c_axis_unpack.v",
    "o2c_delay.v",
    "o2c_dma.v",
    "o2c_dot.v",
    "o2c_dot_lut.v",
    "o2c_dot_packed.v",
    "o2c_dot_table.v",
    "o2c_egress.v",
    "o2c_engine.v",
    "o2c_field_rw.v",
    "o2c_field_w1c.v",
    "o2c_field_w1s.v",
    "o2c_fold.v",
    "o2c_fold_axis.v",
    "o2c_ingest.v",
    "o2c_mac_array.v",
    "o2c_mul_split.v",
    "o2c_pool.v",
    "o2c_pool_float.v",
    "o2c_product.v",
    "o2c_post.v",
    "o2c_ram.v",
    "o2c_ram_sdp.v",
    "o2c_requantize.v",
    "o2c_result.v",
    "o2c_rom.v",
    "o2c_round24.v",
    "o2c_table_round.v",
    "o2c_scratchpad.v",
    "o2c_sequencer.v",
    "o2c_shell.v",
    "o2c_skid.v",
    "o2c_softmax.v",
    "o2c_store.v",
    "o2c_tree.v",
);

/// The files of `testbench/` that a folder carries.
const TESTBENCH: &[(&str, &str)] = embed!("testbench":
    "harness.cpp",
    "options.h",
    "npy.h",
    "axi.h",
    "axi_memory.h",
    "checker.h",
    "protocol.h",
    "o2c_bench.v",
);

/// The pages that a folder carries: what an integrator needs to know.
const PAGES: &[(&str, &str, &str)] = &[
    ("hardware.md", "ports, packets, cycles, memories", include_str!("../../docs/hardware.md")),
    ("registers.md", "the register map", include_str!("../../docs/registers.md")),
    ("descriptor.md", "the layer descriptor", include_str!("../../docs/descriptor.md")),
];

/// Adds `docs/`, `rtl/` (library files) and `tb/` (fixed files).
pub(super) fn add(design: &Design, out: &mut Vec<File>) -> Result<()> {
    for (name, what, text) in PAGES {
        out.push(File::text(format!("docs/{name}"), *what, (*text).to_owned()));
    }
    for name in &design.rtl_files {
        let Some((_, text)) = RTL_FILES.iter().find(|(n, _)| n == name) else {
            return Err(internal(format!("rtl/{name} is not in the binary")));
        };
        out.push(File::text(format!("rtl/{name}"), "library module", (*text).to_owned()));
    }
    for (name, text) in TESTBENCH {
        let what =
            if name.ends_with(".v") { "Verilog testbench, fixed part" } else { "C++ testbench, fixed part" };
        out.push(File::text(format!("tb/{name}"), what, (*text).to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Pages of a folder lead to pages of the folder.
    #[test]
    fn links_stay_in_the_folder() {
        for (name, _, text) in PAGES {
            for link in text.split("](").skip(1).filter_map(|p| p.split([')', '#']).next()) {
                assert!(PAGES.iter().any(|(n, ..)| *n == link), "docs/{name} links to {link}");
            }
        }
    }

    #[test]
    fn the_list_is_the_folder() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rtl");
        let on_disk: BTreeSet<String> = std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .filter(|n| n.ends_with(".v") || n.ends_with(".vh"))
            .collect();
        let listed: BTreeSet<String> = RTL_FILES.iter().map(|(n, _)| (*n).to_owned()).collect();
        assert_eq!(on_disk, listed);
    }
}
