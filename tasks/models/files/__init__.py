"""How tensors lie in files: one file a format, listed in `tensor_files`. No pickle is ever executed."""
