//! What a device has: multipliers, memories, clock.
