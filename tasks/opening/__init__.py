"""Live objects for references: tensors, samples and coefficients, read from checkpoints, data sets and the store."""
