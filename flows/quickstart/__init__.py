"""The quickstart's example: real handwritten digits, two small CLIP vision models trained on them, an experiment."""
