"""Parsers of files that hold images, labels and lists of them, used by the readers; a file a kind of file."""
