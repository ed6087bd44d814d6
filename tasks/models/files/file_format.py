"""The contract of a file format for tensors.

A new format is one file beside this one and one line of the list in `tensor_files`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import torch


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """A way to store named tensors in a file."""

    begins: Callable[[bytes], bool]
    """Whether a file of this format may begin with these bytes: the first `START` of `foreign_files`, or all it has."""
    read: Callable[[BinaryIO, int, str | None], Mapping[str, torch.Tensor]]
    """From an open file, its size in bytes, and its local path (if it has one) to its tensors on the CPU.

    It raises one of the faults of `damage`, and never executes code that the file holds.
    """
    when_damaged: str
    """Begins the message about a damaged file."""
