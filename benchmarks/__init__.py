"""One program for each figure in README.md: `python -m benchmarks.NAME`."""
