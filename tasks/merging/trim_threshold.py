"""The magnitudes at which task vectors are trimmed: the k largest numbers of each stay.

A selection in a vector of 10⁸ numbers takes longer than all other steps of a merge. So a sample of each task vector
brackets its threshold first. One pass then counts the numbers above the bracket and keeps those within it, about 1 of
200, among which the threshold is selected. The threshold is exact: if the bracket misses it, the whole vector is
searched.
"""

from collections.abc import Sequence
from math import ceil, floor, inf, sqrt

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.merging.combination import State
from tasks.merging.finite import find_the_cause
from tasks.merging.views import outline, pieces, view

_SAMPLE = 1 << 20  # numbers of a task vector
_PIECE = 1 << 17  # numbers: smaller pieces than elsewhere, since the steps of a piece need room in the cache
_DEVIATIONS = 6.0  # standard deviations of a rank, from the threshold's expected rank to each end of the bracket
_CROWDED = 1 / 16  # of a piece within the bracket: many numbers then equal its ends, as in weights of half precision
_MOST = 1 / 16  # of a vector are kept from within its bracket; a bracket that holds more is given up

Magnitudes = NDArray[np.float32]


def trim_thresholds(base: State, tuned: Sequence[State], keep: float) -> list[float]:
    """Return, for each task vector, the magnitude that a fraction `keep` of its numbers reach, the largest ones.

    The numbers kept are round(keep · d) of d. The models are read twice.

    Args:
        base: θ_0, tensor by tensor.
        tuned: M models θ_t.
        keep: fraction in (0, 1].

    Returns:
        M thresholds, each the magnitude of the smallest number that is kept.

    Raises:
        ValueError: `keep` is out of range.
        CheckpointError: a file holds NaN or infinities.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep: wanted a fraction above 0 and at most 1, got {keep}")
    count = sum(tensor.numel() for tensor in outline(base).values() if tensor.is_floating_point())
    kept = max(1, round(keep * count))
    brackets = [_Bracket(sample, keep, count) for sample in _samples(base, tuned, count)]
    room = _Room()
    for name in _floating(base):
        own = view(base, name).reshape(-1)
        for bracket, state in zip(brackets, tuned, strict=True):
            other = view(state, name).reshape(-1)
            for piece in pieces(len(own), _PIECE):
                magnitudes = room.magnitudes(other[piece], own[piece])
                find_the_cause(magnitudes, [base, state], name)
                bracket.add(magnitudes.numpy())
    found = [bracket.threshold(kept) for bracket in brackets]
    return [_of_all(base, tuned[i], kept, count) if one is None else one for i, one in enumerate(found)]


class _Room:
    """Memory for the magnitudes of one piece of a task vector."""

    def __init__(self) -> None:
        self._numbers = torch.empty(_PIECE)

    def magnitudes(self, tuned: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Return |θ_t − θ_0| of a piece in float32, valid until the next call."""
        numbers = self._numbers[: len(base)]
        if base.dtype == tuned.dtype == numbers.dtype and base.device == tuned.device == numbers.device:
            return torch.sub(tuned, base, out=numbers).abs_()
        return numbers.copy_(torch.sub(tuned.to(base.device), base).abs_())


class _Bracket:
    """The magnitudes of a task vector that its threshold may be among, and the number of those above.

    Args:
        sample: some magnitudes of the vector, in no order; they are partitioned.
        keep: fraction of the vector's numbers above the threshold.
        count: the length of the vector.
    """

    def __init__(self, sample: Magnitudes, keep: float, count: int) -> None:
        rank, size = keep * len(sample), len(sample)
        margin = _DEVIATIONS * sqrt(rank * (1 - keep)) + 1
        first, last = floor(rank - margin), ceil(rank + margin)  # counted from the largest, which is number 1
        self._low, self._high = -1.0, inf
        if last <= size:
            sample.partition(size - last)
            self._low = float(sample[size - last])
        if first >= 1:
            sample.partition(size - first)
            self._high = float(sample[size - first])
        self._most, self._above, self._count = max(_SAMPLE, _MOST * count), 0, 0
        self._equal = {self._low: 0, self._high: 0}  # numbers that are counted, not kept: few values may be very common
        self._within: list[Magnitudes] = []

    def add(self, magnitudes: Magnitudes) -> None:
        """Count and keep numbers of a piece of the vector."""
        above = magnitudes > self._high
        within = (magnitudes >= self._low) ^ above
        self._above += int(np.count_nonzero(above))
        if np.count_nonzero(within) > _CROWDED * len(magnitudes):
            for end in self._equal:
                at_end = magnitudes == end
                self._equal[end] += int(np.count_nonzero(at_end))
                within &= ~at_end
        self._count += int(np.count_nonzero(within))
        if self._count <= self._most:
            self._within.append(magnitudes[within])

    def threshold(self, kept: int) -> float | None:
        """Return the magnitude of number `kept`, counted from the largest; None if the bracket does not hold it."""
        rank = kept - self._above
        if rank < 1 or self._count > self._most:
            return None
        if rank <= self._equal[self._high]:
            return self._high
        rank -= self._equal[self._high]
        if rank > self._count:
            equal = 0 if self._low == self._high else self._equal[self._low]
            return self._low if rank - self._count <= equal else None
        within = np.concatenate(self._within)
        within.partition(len(within) - rank)
        return float(within[len(within) - rank])


def _floating(state: State) -> list[str]:
    return [name for name, tensor in outline(state).items() if tensor.is_floating_point()]


def _samples(base: State, tuned: Sequence[State], count: int) -> list[Magnitudes]:
    """Return magnitudes of each task vector: one of so many, at equal distances through the whole vector."""
    every, place = max(1, count // _SAMPLE) | 1, 0
    parts: list[list[Magnitudes]] = [[] for _ in tuned]
    for name in _floating(base):
        flat = view(base, name).reshape(-1)
        chosen = slice(-place % every, None, every)
        own = flat[chosen]
        for state, part in zip(tuned, parts, strict=True):
            other = view(state, name).reshape(-1)[chosen].to(own.device)
            part.append(other.sub(own).abs_().float().cpu().numpy())
        place += len(flat)
    return [np.concatenate(part) for part in parts]


def _of_all(base: State, tuned: State, kept: int, count: int) -> float:
    """Return the magnitude of number `kept` of a task vector, which is in memory whole."""
    magnitudes, place, room = np.empty(count, np.float32), 0, _Room()
    for name in _floating(base):
        own, other = view(base, name).reshape(-1), view(tuned, name).reshape(-1)
        for piece in pieces(len(own), _PIECE):
            found = room.magnitudes(other[piece], own[piece])
            magnitudes[place : place + len(found)] = found.numpy()
            place += len(found)
    magnitudes.partition(count - kept)
    return float(magnitudes[count - kept])
