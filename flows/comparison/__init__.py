"""Comparisons of methods: requests, the samples that they need, and the results."""
