//! Data to text; takes no decisions.
