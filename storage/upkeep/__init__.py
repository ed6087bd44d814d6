"""Upkeep of a store: everything that lies in it with the times of writing, leftovers, and their removal."""
