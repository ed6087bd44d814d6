"""References: small frozen records that name what a table is computed from, and so where it lies."""
