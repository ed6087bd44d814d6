"""Pure mathematics in numpy and scipy, float64: no input or output, and randomness only from an argument."""
