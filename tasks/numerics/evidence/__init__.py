"""The evidence behind a number: intervals by resampling, and tests of differences between methods."""
