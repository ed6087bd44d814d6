"""Checkpoints and the classifiers that are built from them."""
