"""How tensors lie in files."""
