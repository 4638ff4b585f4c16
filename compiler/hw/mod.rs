//! Rust's view of `rtl/`: parameters, register map, descriptor fields.

pub mod descriptor;
pub mod regmap;
pub mod regmap_render;
