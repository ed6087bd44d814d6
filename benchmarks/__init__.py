"""Each figure that README.md claims, as a program: `python -m benchmarks.NAME`."""
