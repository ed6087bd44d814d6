"""States of which a merge reads one tensor at a time, perhaps straight from the pages of a file."""

from collections.abc import Iterator, Mapping

import torch

PIECE = 1 << 18
"""Numbers of a tensor that a merge works on at a time. A processor's cache holds them from one step to the next."""


def outline(state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """Return a state's tensors by name, on the meta device where reading their numbers would cost something."""
    without_numbers = getattr(state, "outline", None)
    return without_numbers() if without_numbers else state


def view(state: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """Return a tensor of a state to look at until the next call: it must not be written, nor kept.

    Its numbers are not checked where the state reads a file; see `tasks.merging.finite.find_the_cause`.
    """
    look: Mapping[str, torch.Tensor] = getattr(state, "views", state)
    return look[name]


def pieces(size: int, length: int = PIECE) -> Iterator[slice]:
    """Yield the slices that cut a flat tensor into pieces.

    Example:
        >>> [(piece.start, piece.stop) for piece in pieces(5, 2)]
        [(0, 2), (2, 4), (4, 5)]
    """
    for start in range(0, size, length):
        yield slice(start, min(start + length, size))
