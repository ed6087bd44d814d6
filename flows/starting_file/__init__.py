"""A first experiment file: the checkpoints and images of a folder, looked over and written down with comments."""
