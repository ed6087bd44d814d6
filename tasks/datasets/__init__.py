"""Data sets: images and labels in many formats, listed, decoded, kept on disk, and mapped to a head's classes."""
