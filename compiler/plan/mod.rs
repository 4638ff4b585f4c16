//! Array shape, tiling, buffers, descriptors, cycles.
