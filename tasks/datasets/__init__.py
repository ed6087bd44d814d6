"""Readers of images and labels."""
