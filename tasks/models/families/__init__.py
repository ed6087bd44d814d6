"""How checkpoints name their tensors: one file a checkpoint family, listed in `registry`."""
