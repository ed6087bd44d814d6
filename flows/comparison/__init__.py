"""Comparisons of methods: the request, the samples that it needs, the tests, and the result as text and as documents."""
