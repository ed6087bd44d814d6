"""Bounds on the cost of reading one checkpoint. Each bound is checked before the work that it limits is done.

The yardstick is the largest CLIP, ViT-bigG-14, with both towers and its optimizer's state: about 200,000 opcodes, a
pickle of 1 MiB, 7,000 tensors (1,000 of them the model's), names of less than 100 characters.
"""

from tasks.models.files.damage import TooCostly

PICKLE_BYTES = 16 << 20
"""Bytes of a pickle, after inflation. A library's error message may quote all of it twice, escaped fourfold."""
NAME = 512
"""Characters of a tensor's name, of a class's name, and of any other key. A look-up compares all of them."""
DIGITS = 3
"""Digits of a layer's number in a tensor's name. A tower gets as many layers as names number; the deepest has 48."""
DIMENSIONS = 16
"""Dimensions of a tensor; those of a CLIP have at most 4."""
NUMBERS = 1 << 48
"""Numbers in a tensor. Their bytes can then be counted in 64 bits."""
TENSORS = 10_000
"""Tensors that make up the model."""
MARKS = 10_000
"""Containers begun within containers."""
INTEGER = 512
"""Bits of an integer. Python's arithmetic on integers takes time that grows with the square of their length."""
_LIMITS = {
    "opcodes": 500_000,
    "copied items and bytes": 4_000_000,  # of containers that a call or an update copies
    "stored tensors": 50_000,  # about 1 KB each, without their numbers
    "members of modules": 100_000,  # each place of a shared module counts
}


class Budget:
    """The amounts that reading one checkpoint may still spend."""

    def __init__(self) -> None:
        self._left = dict(_LIMITS)

    def spend(self, what: str, amount: int = 1) -> None:
        """Subtract an amount; raise `TooCostly` if it exceeds the rest."""
        self._left[what] -= amount
        if self._left[what] < 0:
            raise TooCostly(f"more than {_LIMITS[what]:,} {what}")
