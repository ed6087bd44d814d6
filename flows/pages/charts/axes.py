"""Logit-scaled axes of accuracies, as in the literature on robustness (Taori et al., NeurIPS 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

_TICKS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 40, 50),
    *(60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99),
)
_STEPS = (10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # percent
_WIDE = 35  # percent: the ticks of a wider range have unequal steps
_APART = 46  # pixels between ticks at least
_MARGIN = 0.06  # of the range, on either side

PERCENT = "format(datum.value, '.3~g') + ' %'"
"""The Vega expression of the label of a tick in percent."""
PERCENT_OF_LOGIT = "format(100 / (1 + exp(-datum.value)), '.4~g') + ' %'"
"""The same for a tick on a logit-scaled axis."""


def logit(share: float, samples: int) -> float:
    """Return log(p / (1 − p)); a share of 0 or 1 is drawn half a sample away from the end.

    Args:
        share: p, from 0 to 1.
        samples: number of samples that the share is of.

    Example:
        >>> logit(0.5, 100), round(logit(1.0, 100), 3) == round(logit(0.995, 100), 3)
        (0.0, True)
    """
    least = 0.5 / max(samples, 1)
    inside = min(max(share, least), 1 - least)
    return log(inside / (1 - inside))


def share_of(value: float) -> float:
    """Return the share p of a logit.

    Example:
        >>> share_of(0.0)
        0.5
    """
    return 1 / (1 + exp(-value))


@dataclass(frozen=True)
class Axis:
    """An axis of a plot of a known size."""

    low: float
    """The value at its start."""
    high: float
    """The value at its end."""
    length: int
    """Pixels."""
    ticks: tuple[float, ...] = ()

    def pixel(self, value: float) -> float:
        """Return the distance of a value from the axis' start, pixels."""
        return (value - self.low) / (self.high - self.low) * self.length

    def value(self, pixel: float) -> float:
        """Return the value at a distance from the axis' start."""
        return self.low + pixel / self.length * (self.high - self.low)


def logit_axis(values: Sequence[float], length: int) -> Axis:
    """Return the axis that shows values on the logit scale, with ticks at round percentages.

    Args:
        values: logits, at least one.
        length: pixels.

    Example:
        >>> axis = logit_axis([logit(0.6, 1000), logit(0.9, 1000)], 400)
        >>> [round(100 * share_of(tick)) for tick in axis.ticks]
        [60, 70, 80, 90]
    """
    low, high = _with_margin(min(values), max(values))
    axis = Axis(low, high, length)
    return Axis(low, high, length, tuple(_spread(axis, _candidates(100 * share_of(low), 100 * share_of(high)))))


def percent_axis(values: Sequence[float], length: int) -> Axis:
    """Return the axis that shows percentages on a linear scale.

    Args:
        values: percentages, at least one.
        length: pixels.
    """
    low, high = _with_margin(min(values), max(values), least=0.5)
    return Axis(max(low, -2.0), min(high, 102.0), length)


def _with_margin(low: float, high: float, least: float = 0.02) -> tuple[float, float]:
    margin = max(_MARGIN * (high - low), least)
    return low - margin, high + margin


def _candidates(low: float, high: float) -> list[float]:
    """Return percentages for the ticks of a range of percentages: the coarsest of which four are inside."""
    wide = [tick for tick in _TICKS if low <= tick <= high]
    if high - low > _WIDE and len(wide) >= 4:
        return wide
    for step in _STEPS:
        inside = [step * i for i in range(int(low / step), int(high / step) + 1) if low <= step * i <= high]
        if len(inside) >= 4:
            return [tick for tick in inside if 0 < tick < 100]
    return wide or [50.0]


def _spread(axis: Axis, percentages: Sequence[float]) -> list[float]:
    """Return the logits of percentages, without those that lie too close to the one before."""
    kept = list[float]()
    for percentage in percentages:
        value = log(percentage / (100 - percentage))
        if not kept or axis.pixel(value) - axis.pixel(kept[-1]) >= _APART:
            kept.append(value)
    return kept
