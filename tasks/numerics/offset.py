"""The offset of two models' coefficients (Oh et al., arXiv 2410.03782, section 3), from entropies in pieces."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tasks.numerics.checks import Floats
from tasks.numerics.pieces import PIECE, Pieces

_GROUP = 8 * PIECE  # samples whose entropies are added at a time


class Offset(NamedTuple):
    """The numbers b and w of `tasks.numerics.expertise.interpolation_coefficients`, the same for a whole data set."""

    b: float
    w: float


class Moments(NamedTuple):
    """The moments of n samples of two models' entropies."""

    samples: int
    mean: Floats
    """(2,) nats."""
    squares: Floats
    """(2,) the sum of squared distances from the mean, nats²."""


def offset_of(entropies: Iterable[Floats]) -> Offset:
    """Return the offset of two models' coefficients, in one pass and bounded memory.

    Moments of groups of 131,072 samples are joined by the formulas of Chan, Golub and LeVeque ("Updating formulae and
    a pairwise algorithm for computing sample variances", 1979). The groups do not depend on the lengths of the arrays.

    Args:
        entropies: arrays (n_i, 2) of H₀ and H₁ ≥ 0, nats, of at least two samples in all; no iterator.

    Raises:
        ValueError: a value is negative or not finite, or there are fewer than two samples.

    Example:
        >>> b, w = offset_of([np.array([[0.1, 0.4]]), np.array([[1.0, 0.2]])])
        >>> round(b, 3), round(w, 3)
        (0.814, 1.545)
    """
    samples = Pieces(entropies, "entropies", 2)
    found, group = Moments(0, np.zeros(2), np.zeros(2)), list[Floats]()
    for piece in samples.checked(_refuse):
        group.append(piece)
        if len(group) == _GROUP // PIECE:
            found, group = _joined(found, _moments(np.concatenate(group))), []
    if group:
        found = _joined(found, _moments(np.concatenate(group)))
    if found.samples < 2:
        raise ValueError(f"offset: wanted at least 2 samples for a standard deviation, got {found.samples}")
    mean_base, mean_tuned = (float(mean) for mean in found.mean)
    deviation = np.sqrt(found.squares / (found.samples - 1))
    # the coefficient of variation σ/μ, 0 where μ is 0
    base, tuned = (float(s) / m if m > 0 else 0.0 for s, m in zip(deviation, (mean_base, mean_tuned), strict=True))
    b = 0.5 * (base + tuned)
    if mean_base == 0:
        return Offset(b, 2.0 if mean_tuned == 0 else np.inf)
    return Offset(b, (mean_base + mean_tuned) / mean_base)


def _refuse(piece: Floats, first: int) -> None:
    if piece.shape[1] != 2:
        raise ValueError(f"offset: wanted entropies of 2 models, got {piece.shape[1]}")
    negative = np.argwhere(piece < 0)
    if len(negative):
        value = piece[tuple(negative[0])]
        raise ValueError(f"entropies: wanted values of at least 0, got {value} at sample {first + negative[0, 0]:,}")


def _moments(entropies: Floats) -> Moments:
    columns = [np.ascontiguousarray(column) for column in entropies.T]
    mean = np.array([column.mean() for column in columns])
    squares = [((column - m) ** 2).sum() for column, m in zip(columns, mean, strict=True)]
    return Moments(len(entropies), mean, np.array(squares))


def _joined(one: Moments, other: Moments) -> Moments:
    """Return the moments of the samples of both."""
    if not one.samples:
        return other
    count, apart = one.samples + other.samples, other.mean - one.mean
    return Moments(
        count,
        one.mean + apart * (other.samples / count),
        one.squares + other.squares + apart**2 * (one.samples * other.samples / count),
    )
