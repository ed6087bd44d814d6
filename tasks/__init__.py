"""The work, and the mathematics it does."""
