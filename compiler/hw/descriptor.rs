//! The layer descriptor: the fields that `rtl/o2c_engine.v` reads, as a table.
//!
//! In: a value for every field. Out: [`WORDS`] little-endian 32-bit words. Guarantees: a value that does not fit
//! its field is refused, never cut.

use crate::diag::{Diagnostic, Result, code};

/// 32-bit words of a descriptor.
pub const WORDS: usize = 30;

macro_rules! fields {
    ($($(#[doc = $doc:literal])* $name:ident: $word:literal, $low:literal, $bits:literal;)*) => {
        /// One layer's configuration, field by field. Addresses are scratchpad words, modulo 2^32 where they are
        /// steps; the engine uses their low bits.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Descriptor { $($(#[doc = $doc])* pub $name: u64,)* }

        /// Name, word, lowest bit and bits of every field.
        pub const FIELDS: &[(&str, usize, usize, usize)] = &[$((stringify!($name), $word, $low, $bits)),*];

        /// What every field means, in the order of [`FIELDS`].
        pub const MEANINGS: &[&str] = &[$(concat!($($doc),*)),*];

        impl Descriptor {
            fn values(&self) -> Vec<u64> { vec![$(self.$name),*] }
        }
    };
}

fields! {
    /// 0 array, 1 maximum, 2 sum, 3 depthwise.
    mode: 0, 0, 2;
    /// Adds the residual operand through table B.
    residual: 0, 2, 1;
    /// Output through table A.
    table: 0, 3, 1;
    /// The input region is free afterwards.
    release_input: 0, 4, 1;
    /// Writes the output region.
    writes_output: 0, 5, 1;
    /// Depthwise: two rows a slot.
    pair: 0, 6, 1;
    /// Parameter word by the number of taps inside the map.
    count_divisor: 0, 7, 1;
    /// Byte of every channel outside the map; product: zero point of the first operand.
    pad_value: 0, 8, 8;
    /// Lower bound of the requantized byte.
    q_lo: 0, 16, 8;
    /// Likewise, the upper one.
    q_hi: 0, 24, 8;
    /// Lower bound of the table unit's result.
    y_lo: 1, 0, 8;
    /// Likewise, the upper one.
    y_hi: 1, 8, 8;
    /// Ties of the table unit go to the odd integer.
    table_odd: 1, 16, 1;
    /// Ties of the table unit are as wide as those of uint8 values.
    table_unsigned: 1, 17, 1;
    /// The table holds thresholds of float32 sums or of products.
    table_threshold: 1, 18, 1;
    /// The output region is complete afterwards.
    completes_output: 1, 19, 1;
    /// The product of two operands instead of a sum.
    product: 1, 20, 1;
    /// Product: the second operand's first channel is for all.
    spread: 1, 21, 1;
    /// Product: the second operand's byte corrects thresholds, else the first's.
    correct_by_b: 1, 22, 1;
    /// Which 256-entry table.
    table_index: 1, 24, 8;
    /// Innermost loop, minus 1: array channel blocks, pool kernel columns, depthwise slots of a column.
    a_last: 2, 0, 16;
    /// Array kernel columns, pool kernel rows, minus 1; depthwise: input columns from a group of output columns to the next.
    b_last: 2, 16, 16;
    /// Array kernel rows, minus 1; depthwise: tiles of the kernel beside each other, minus 1, and from bit 8 on those below
    /// each other, minus 1.
    c_last: 3, 0, 16;
    /// Blocks of output channels (array: of K, else of W), minus 1.
    kb_last: 3, 16, 16;
    /// Array tiles, else pixels, minus 1; depthwise: output columns of a group, minus 1, and from bit 16 on the cycles of a slot
    /// in passes that others follow, minus 1.
    unit_last: 4, 0, 24;
    /// Cycles of a group, minus 1.
    group_last: 4, 24, 8;
    /// Idle cycles after a unit; depthwise: before a pass.
    gap: 5, 0, 16;
    /// Vectors of a unit, minus 1.
    vec_last: 5, 16, 8;
    /// Cycles of a pool's read or a depthwise slot, minus 1.
    hold_last: 5, 24, 8;
    /// Rows of the input map.
    in_h: 6, 0, 16;
    /// Columns of the input map.
    in_w: 6, 16, 16;
    /// Output columns, minus 1.
    out_w_last: 7, 0, 16;
    /// Pixels of an output run, minus 1: a row's, depthwise a column's.
    run_last: 7, 16, 16;
    /// Row of the first window's first tap (depthwise: of the window itself), two's complement.
    walk_h0: 8, 0, 16;
    /// Column of the first window's first tap, two's complement.
    walk_w0: 8, 16, 16;
    /// Rows between output rows.
    stride_h: 9, 0, 16;
    /// Columns between output columns.
    stride_w: 9, 16, 16;
    /// Rows between taps; depthwise: from a tile of the kernel to the one below.
    dil_h: 10, 0, 16;
    /// Columns between taps; depthwise: from a tile of the kernel to the next.
    dil_w: 10, 16, 16;
    /// Address of the first window's first tap; depthwise: of the first row that is read.
    walk_base: 11, 0, 32;
    /// Address step to the next output column, modulo 2^24.
    walk_col: 12, 0, 24;
    /// Load tokens that the layer waits for and uses up.
    wait_loads: 12, 24, 8;
    /// Address step from a row's last output column to the next row's first; depthwise: to the first tile's first row, where that
    /// is above the map.
    walk_row: 13, 0, 32;
    /// Address step of the innermost loop; depthwise of a slot; product: the second operand's first address.
    inc_a: 14, 0, 32;
    /// Address step of the middle loop; depthwise from a slot's first row to its second; product: the second operand's step to
    /// the next column.
    inc_b: 15, 0, 32;
    /// Address step of the outer loop; depthwise from a tile of the kernel to the one below; product: the second operand's step from a row's last column to the next row's first.
    inc_c: 16, 0, 32;
    /// First weight word; of float32 sums the 24-bit mantissa of the input's scale; product: the second operand's step to the
    /// next block of channels, modulo 2^24.
    weight_base: 17, 0, 24;
    /// Depthwise: slots of a column before its first output, in a group's first pass. Product: zero point of the second operand.
    emit_first: 17, 24, 8;
    /// First parameter word.
    param_base: 18, 0, 16;
    /// Slices that hold the layer's channels.
    out_groups: 18, 16, 16;
    /// First output word.
    out_base: 19, 0, 32;
    /// Residual operand's address minus the output's.
    res_delta: 20, 0, 32;
    /// Output pixels.
    pixels: 21, 0, 24;
    /// Depthwise: slots from one output of a column to the next, minus 1.
    emit_step: 21, 24, 8;
    /// Words from the input channels of a block of output channels to those of the next.
    block_step: 22, 0, 24;
    /// Blocks of output channels that read the same input channels, minus 1; depthwise: slots that the first tile is above the
    /// map.
    block_repeat: 22, 24, 8;
    /// Words of an output plane: from a pixel's word to that of its next channels.
    out_plane: 23, 0, 24;
    /// Depthwise: slots from a column's last output to the next column's first, minus 1.
    emit_wrap: 23, 24, 8;
    /// Address step in an output run.
    out_step: 24, 0, 16;
    /// Depthwise: rows of the window that belong to the kernel, a bit each.
    window_rows: 24, 16, 16;
    /// Address step from an output run's last pixel to the next one's first, modulo 2^24.
    out_wrap: 25, 0, 24;
    /// Depthwise: columns of the window that belong to the kernel, a bit each.
    window_columns: 25, 24, 4;
    /// First row of the input map that stands once around its ring; depthwise: last slot of a column before it.
    ring_row: 26, 0, 16;
    /// Last output run before the end of the output's ring; depthwise: last pixel of a run.
    ring_run: 26, 16, 16;
    /// Words of a plane of the input map's ring; depthwise: address step of the slot at its end, modulo 2^24.
    ring_words: 27, 0, 24;
    /// Address step at the end of the output's ring, modulo 2^24.
    out_around: 28, 0, 24;
    /// Rows of the network's input that have to be there.
    input_rows: 29, 0, 16;
    /// Rows of the network's input that are free afterwards.
    input_freed: 29, 16, 16;
}

impl Descriptor {
    /// A field of 8 bits as the signed integer that it holds.
    pub fn signed_byte(field: u64) -> i32 {
        i32::from(field.to_le_bytes()[0].cast_signed())
    }

    /// The descriptor's words.
    ///
    /// # Errors
    /// O2C0401 if a value exceeds its field: the layer is too large for the engine.
    pub fn words(&self) -> Result<[u32; WORDS]> {
        let mut words = [0u32; WORDS];
        for (&(name, word, low, bits), value) in FIELDS.iter().zip(self.values()) {
            if value >> bits != 0 {
                let cause = format!("the descriptor's field {name} is {value} and has {bits} bits");
                return Err(Diagnostic::new(
                    code::BUDGET_EXCEEDED,
                    "a layer is too large for the engine",
                    cause,
                )
                .remedy(match name {
                    "table_index" => {
                        "the engine has 256 tables: use fewer additions and functions of one element"
                    }
                    "param_base" => "the network has too many output channels for the parameter memory",
                    _ => "use a larger array, or a smaller layer",
                })
                .into());
            }
            words[word] |= u32::try_from(value << low).unwrap_or(0);
        }
        Ok(words)
    }
}

/// The words of a ROM in which each descriptor has only what changes from the one before, behind a word that tells which (bit
/// n: word n); the first has all. As `rtl/o2c_sequencer.v` reads them.
pub fn changes(all: &[[u32; WORDS]]) -> Vec<u32> {
    let mut rom = Vec::new();
    for (i, words) in all.iter().enumerate() {
        let before = i.checked_sub(1).map(|before| &all[before]);
        let changed = |n: &usize| before.is_none_or(|before| before[*n] != words[*n]);
        let which: Vec<usize> = (0..WORDS).filter(changed).collect();
        rom.push(which.iter().map(|n| 1 << n).sum());
        rom.extend(which.iter().map(|&n| words[n]));
    }
    rom
}

/// Words of such a descriptor that differ, at most, where the one before is of the same rows of the same layer: flags,
/// blocks, first addresses, loads, groups, block step, rows of the input.
pub const CHANGES_OF_BLOCKS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap() {
        let mut used = [0u64; WORDS];
        for &(name, word, low, bits) in FIELDS {
            let mask = ((1u64 << bits) - 1) << low;
            assert!(low + bits <= 32 && used[word] & mask == 0, "{name}");
            used[word] |= mask;
        }
    }

    /// Every field's place is the one that the engine's header names or its instances slice.
    #[test]
    fn rtl_reads_the_same_places() {
        let rtl = include_str!("../../rtl/o2c_engine.v");
        for &(name, word, low, _) in FIELDS {
            if [
                "release_input",
                "writes_output",
                "completes_output",
                "mode",
                "wait_loads",
                "input_rows",
                "input_freed",
            ]
            .contains(&name)
            {
                continue; // read in the sequencer, by F_ constants, and as mode bits
            }
            let place = if low == 0 { format!("desc[32*{word}") } else { format!("desc[32*{word} + {low}") };
            assert!(rtl.contains(&place), "{name}: {place}");
        }
        let sequencer = include_str!("../../rtl/o2c_sequencer.v");
        assert!(
            sequencer.contains("F_RELEASE = 4, F_OUTPUT = 5, F_COMPLETE = 32 + 19, F_LOADS = 32*12 + 24;")
        );
        assert!(sequencer.contains("F_ROWS = 32*29, F_FREED = 32*29 + 16;"));
        assert!(rtl.contains(&format!("NWORDS = {WORDS};")));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        let d = Descriptor { gap: 1 << 16, ..Descriptor::default() };
        assert_eq!(d.words().unwrap_err().0[0].code, code::BUDGET_EXCEEDED);
        let d = Descriptor { q_hi: 127, q_lo: 0x80, mode: 2, ..Descriptor::default() };
        assert_eq!(d.words().unwrap()[0], 0x7f80_0002);
    }

    /// The sequencer's reading of the ROM: a word that tells which, then those.
    #[test]
    fn changes_decode_to_the_descriptors() {
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            state >> 8
        };
        for few in [2, 3, 20] {
            let mut all = vec![[0u32; WORDS]];
            for i in 1..60 {
                let before: [u32; WORDS] = all[i - 1];
                all.push(before.map(|word| if random() % few == 0 { random() % 3 } else { word }));
            }
            let rom = changes(&all);
            let (mut words, mut at) = ([u32::MAX; WORDS], 0);
            for (i, descriptor) in all.iter().enumerate() {
                let which = rom[at];
                assert!(i > 0 || which.count_ones() == 30, "the first has all");
                for (n, word) in words.iter_mut().enumerate().filter(|(n, _)| which >> n & 1 == 1) {
                    at += 1;
                    assert!(i == 0 || *word != rom[at], "word {n} of {i} does not change");
                    *word = rom[at];
                }
                at += 1;
                assert_eq!(words, *descriptor, "{i}");
            }
            assert_eq!(at, rom.len());
        }
    }
}
