"""The mathematics, pure: numpy and scipy, float64, no input or output, randomness only from an argument."""
