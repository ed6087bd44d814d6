"""Evidence: the numbers of results, from per-sample tables."""
