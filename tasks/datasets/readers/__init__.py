"""Readers: one file a data-set format."""
