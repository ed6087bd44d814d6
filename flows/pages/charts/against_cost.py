"""Accuracy against cost: the forward passes of one model that a sample takes, on a logarithmic scale."""

from collections.abc import Sequence
from math import ceil, floor, log10

from flows.pages.charts.axes import PERCENT, Axis, percent_axis
from flows.pages.charts.labelled_points import Point, layers
from flows.pages.charts.layout import Spec, rounded

_WIDTH, _HEIGHT = 780, 380
_APART = 40  # pixels between ticks at least
_FACTORS = (1, 2, 5, 3, 4, 7, 6, 8, 9)  # of ticks: the roundest first


def against_cost(points: Sequence[Point], title: str) -> Spec:
    """Return the scatter of methods.

    Args:
        points: the methods: `x` is log10 of the forward passes a sample, `y` the accuracy in percent.
        title: the words for the accuracy.
    """
    x = _passes_axis([point.x for point in points])
    ends = [value for point in points for value in (point.y_ends or ()) if point.is_labelled]
    y = percent_axis([*(point.y for point in points), *ends], _HEIGHT)
    across = {
        "field": "x",
        "type": "quantitative",
        "title": "forward passes of one model for each sample",
        "scale": {"domain": [rounded(x.low), rounded(x.high)], "zero": False, "nice": False},
        "axis": {"values": [rounded(tick) for tick in x.ticks], "labelExpr": "format(pow(10, datum.value), '.3~g')"},
    }
    up = {
        "field": "y",
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [rounded(y.low), rounded(y.high)], "zero": False, "nice": False},
        "axis": {"labelExpr": PERCENT, "tickCount": 6},
    }
    return {"width": _WIDTH, "height": _HEIGHT, "layer": layers(points, x, y, (across, up))}


def _passes_axis(values: Sequence[float]) -> Axis:
    """Return the logarithmic axis, with room for labels, and ticks at whole multiples of powers of ten."""
    low, high = min(values), max(values)
    margin = max(0.1 * (high - low), 0.08)
    low, high = low - margin, high + 3 * margin  # labels stand on the right
    powers = range(floor(low), ceil(high) + 1)
    axis, ticks = Axis(low, high, _WIDTH), list[float]()
    for tick in (power + log10(factor) for factor in _FACTORS for power in powers):
        if low <= tick <= high and all(abs(axis.pixel(tick) - axis.pixel(other)) >= _APART for other in ticks):
            ticks.append(tick)
    return Axis(low, high, _WIDTH, tuple(sorted(ticks)))
