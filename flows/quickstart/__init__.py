"""Small real examples that `dawin quickstart` builds: handwritten digits and models trained on them in a minute."""
