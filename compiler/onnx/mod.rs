//! Bytes to neutral nodes, attributes and tensors; nothing else knows protobuf.

pub mod model;
