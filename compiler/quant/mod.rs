//! Scales to integers, with a proof, or a refusal.
