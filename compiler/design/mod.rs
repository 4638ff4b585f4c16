//! The netlist as data: instances, memories, descriptors, legal names.
