//! Packing numbers into memory words, least significant bit first, and the bits that numbers need.

use crate::quant::signed_bits;

/// One word being filled.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    bytes: Vec<u8>,
    at: usize,
}

impl Word {
    /// An empty word of `width` bits.
    pub(crate) fn new(width: usize) -> Word {
        Word { bytes: vec![0; width.div_ceil(8)], at: 0 }
    }
    /// Appends the low `bits` of a two's complement number.
    pub(crate) fn push(&mut self, value: i64, bits: usize) {
        for bit in 0..bits {
            if value >> bit.min(63) & 1 == 1 {
                self.bytes[self.at / 8] |= 1 << (self.at % 8);
            }
            self.at += 1;
        }
    }
    /// The bytes, little-endian.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bits of a signed register that holds `value`, at least 1.
pub(crate) fn signed(value: i64) -> usize {
    signed_bits(value) as usize
}

/// Bits of an unsigned register that holds `value`, at least 1.
pub(crate) fn unsigned(value: u64) -> usize {
    ((u64::BITS - value.leading_zeros()) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing() {
        let mut word = Word::new(20);
        word.push(-1, 3);
        word.push(5, 9);
        word.push(-128, 8);
        assert_eq!(word.finish(), [0x2f, 0x00, 0x08]);
        assert_eq!([signed(0), signed(-1), signed(127), signed(-128), signed(128)], [1, 1, 8, 8, 9]);
        assert_eq!([unsigned(0), unsigned(1), unsigned(255), unsigned(256)], [1, 1, 8, 9]);
    }
}
