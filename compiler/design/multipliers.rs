//! What the array's multipliers are.

use serde::Serialize;

/// What makes the array's products; sums and cycles are the same with each. `rtl/o2c_dot.v` has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Multipliers {
    /// `*`: what the device's tools make of it, a hardware multiplier for each product.
    Infer,
    /// LUTs alone.
    Lut,
    /// Hardware multipliers of 25 x 18 bits or more, each for two products that share a factor. Those of the array's
    /// depthwise mode share none, so an array that has the mode can't have them.
    Packed,
}

impl Multipliers {
    /// `MUL_STYLE` of `rtl/o2c_mac_array.v`.
    pub fn style(self) -> u8 {
        match self {
            Multipliers::Infer => 0,
            Multipliers::Lut => 1,
            Multipliers::Packed => 2,
        }
    }

    /// Its name as options and files have it.
    pub fn name(self) -> &'static str {
        match self {
            Multipliers::Infer => "infer",
            Multipliers::Lut => "lut",
            Multipliers::Packed => "packed",
        }
    }

    /// Hardware multipliers for so many products a cycle.
    pub fn hardware(self, products: usize) -> usize {
        match self {
            Multipliers::Infer => products,
            Multipliers::Lut => 0,
            Multipliers::Packed => products.div_ceil(2),
        }
    }
}
