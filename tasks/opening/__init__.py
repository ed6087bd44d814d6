"""From references to tensors, samples and coefficients."""
