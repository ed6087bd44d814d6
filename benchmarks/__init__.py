"""One program for each figure in docs/performance.md: `python -m benchmarks.NAME`."""
