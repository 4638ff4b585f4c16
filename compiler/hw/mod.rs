//! Rust's view of `rtl/`: parameters, register map, descriptor fields.
