"""What can be wrong with a file that should hold tensors; readers of files raise these, `tensor_files` words them."""


class UnsafePickle(ValueError):
    """A pickle asks for a call or an import that no checkpoint needs."""


class DamagedFile(ValueError):
    """A file ends early, or is not of the format that its start promises."""


class TooCostly(DamagedFile):
    """Reading a file would cost more time or memory than any checkpoint's."""
