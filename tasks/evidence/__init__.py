"""From stored predictions to evidence: estimates with intervals, means over groups, comparisons of methods, and costs.

It reads the store and decides nothing: the formulas are in `tasks.numerics.metrics` and `tasks.numerics.evidence`.
"""
