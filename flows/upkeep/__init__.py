"""Upkeep of a store: which objects its runs need, and the removal of all others."""
