"""Passes over samples: images in, rows of tables out."""
