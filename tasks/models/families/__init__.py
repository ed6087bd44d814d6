"""How checkpoints name their tensors: one file a family."""
