"""Merged models taken out of a run: written in the forms that others load, with their card, and published."""
