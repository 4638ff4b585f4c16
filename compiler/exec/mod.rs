//! Runs an integer graph plainly: the bit-exact reference.
