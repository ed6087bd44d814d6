"""Faults of a file that should hold tensors. Readers of formats raise them; `tensor_files` adds the file's address."""


class UnsafePickle(ValueError):
    """A pickle asks for a call or an import that no checkpoint needs."""


class DamagedFile(ValueError):
    """A file ends early, or is not of the format that its start promises."""


class TooCostly(DamagedFile):
    """Reading a file would cost more time or memory than any checkpoint does."""
