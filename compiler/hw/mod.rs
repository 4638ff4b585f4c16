//! Rust's view of `rtl/`: parameters, register map, descriptor fields.

pub mod regmap;
pub mod regmap_render;
