"""Models: checkpoints read from files of any family, and the classifiers that are built from them."""
