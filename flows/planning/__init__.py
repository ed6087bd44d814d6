"""From an experiment to a plan: inputs checked, everything to compute named by reference."""
