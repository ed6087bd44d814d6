"""What reading one checkpoint may cost. Each bound is checked before the work that it bounds is done.

The yardstick is the largest CLIP, ViT-bigG-14, with both towers and its optimizer's state: about 200,000 opcodes, a
pickle of 1 MiB, 7,000 tensors (1,000 of them the model's), names of less than 100 characters.
"""

from tasks.models.files.damage import TooCostly

PICKLE_BYTES = 16 << 20
"""Bytes of a pickle, after inflation. A library's complaint may quote all of it, escaped fourfold, and twice."""
NAME = 512
"""Characters of a tensor's name, of a class's name, and of any other key: looking one up compares all of them."""
DIGITS = 3
"""Of a layer's number in a tensor's name: towers are built with as many layers as names number; the deepest has 48."""
DIMENSIONS = 16
"""Of a tensor; those of a CLIP have at most 4."""
NUMBERS = 1 << 48
"""In a tensor; within what 64 bits can count in bytes."""
TENSORS = 10_000
"""Among those that make up the model."""
MARKS = 10_000
"""Containers begun within containers."""
INTEGER = 512
"""Bits of an integer: Python's arithmetic on large ones takes time that grows with the square of their length."""
_LIMITS = {
    "opcodes": 500_000,
    "copied items and bytes": 4_000_000,  # of containers that a call or an update copies
    "stored tensors": 50_000,  # about 1 KB each, without their numbers
    "members of modules": 100_000,  # each place of a shared module counts
}


class Budget:
    """What is left to spend on one checkpoint."""

    def __init__(self) -> None:
        self._left = dict(_LIMITS)

    def spend(self, what: str, amount: int = 1) -> None:
        """Take an amount from what is left; raise `TooCostly` where it exceeds that."""
        self._left[what] -= amount
        if self._left[what] < 0:
            raise TooCostly(f"more than {_LIMITS[what]:,} {what}")
