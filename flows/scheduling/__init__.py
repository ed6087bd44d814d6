"""Which works of a run a worker computes next, and how many samples a child takes: decisions without I/O or a clock."""
