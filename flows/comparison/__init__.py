"""Comparisons of methods on the same samples: which were asked for, and the tables that show them."""
