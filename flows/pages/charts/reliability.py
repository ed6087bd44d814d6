"""Reliability diagrams: how often a method is right, by how confident it is (Guo et al., ICML 2017)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.pages.charts.axes import PERCENT
from flows.pages.charts.layout import Spec, grid, rounded, titled, tooltip
from flows.pages.charts.palette import kind_of
from flows.pages.figures import percent, percent_with_interval
from tasks.numerics.checks import Floats
from tasks.numerics.evidence.intervals import wilson_interval

BINS = 15
_SIDE, _COUNTS = 230, 56  # pixels


class Bins(NamedTuple):
    """Samples by confidence, in 15 bins of equal width from 0 to 1."""

    samples: Floats
    """(15,)."""
    right: Floats
    """(15,) samples that are predicted right."""
    confidence: Floats
    """(15,) sums of the confidences."""

    @property
    def error(self) -> float:
        """The expected calibration error, from 0 to 1: the mean distance of accuracy and confidence over samples."""
        return float(np.abs(self.right - self.confidence).sum() / max(self.samples.sum(), 1.0))


def bins_of(confidence: Floats, is_right: NDArray[np.bool_]) -> Bins:
    """Return samples by confidence; a bin includes its upper end.

    Args:
        confidence: (n,), from 0 to 1.
        is_right: (n,) whether the prediction is right.

    Example:
        >>> found = bins_of(np.array([0.5, 1.0, 1.0]), np.array([True, True, False]))
        >>> print(found.samples[-1], found.right[-1], f"{found.error:.3f}")
        2.0 1.0 0.500
    """
    places = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    weights = (None, is_right.astype(np.float64), confidence)
    return Bins(*(np.bincount(places, w, BINS).astype(np.float64) for w in weights))


def together(parts: Sequence[Bins]) -> Bins:
    """Return the bins of all samples of several data sets; at least one."""
    return Bins(*(np.sum(columns, axis=0) for columns in zip(*parts, strict=True)))


class Diagram(NamedTuple):
    """One method's reliability."""

    method: str
    bins: Bins


def reliability(diagrams: Sequence[Diagram]) -> Spec:
    """Return one diagram for each method, the number of samples below it.

    Args:
        diagrams: at most three.
    """
    upper = [_diagram(one, is_first=i == 0) for i, one in enumerate(diagrams)]
    most = max(float((one.bins.samples / max(one.bins.samples.sum(), 1.0)).max()) for one in diagrams)
    lower = [_counts(one, most, is_first=i == 0) for i, one in enumerate(diagrams)]
    return grid([*upper, *lower], len(diagrams), spacing=16)


_X = {
    "type": "quantitative",
    "scale": {"domain": [0, 100], "nice": False},
    "bin": {"binned": True, "step": 100 / BINS},
}
_PERCENT = {"values": [0, 25, 50, 75, 100], "labelExpr": "datum.value + ' %'"}


def _diagram(one: Diagram, *, is_first: bool) -> Spec:
    x = {**_X, "field": "low", "title": None, "axis": {**_PERCENT, "labels": False, "ticks": False}}
    y = {
        "type": "quantitative",
        "title": "accuracy" if is_first else None,
        "scale": {"domain": [0, 100], "nice": False},
        "axis": {**_PERCENT, "labels": is_first, "ticks": is_first, "labelFlush": True},
    }
    plain = {**x, "bin": None}
    bars = {
        "mark": {"type": "bar", "color": kind_of(one.method).color, "opacity": 0.3, "binSpacing": 1},
        "encoding": {
            "x": x,
            "x2": {"field": "high"},
            "y": {**y, "field": "accuracy"},
            "tooltip": tooltip({"range": "confidence", "shown": "accuracy", "count": "samples"}),
        },
    }
    ends = {
        "mark": {"type": "rule", "color": kind_of(one.method).color, "strokeWidth": 1.2, "opacity": 0.7},
        "encoding": {"x": {**plain, "field": "at"}, "y": {**y, "field": "lower"}, "y2": {"field": "upper"}},
    }
    dots = {
        "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1, "color": kind_of(one.method).color},
        "encoding": {"x": {**plain, "field": "at"}, "y": {**y, "field": "accuracy"}},
    }
    diagonal = {
        "data": {"values": [{"at": 0, "y": 0}, {"at": 100, "y": 100}]},
        "mark": {"type": "line", "style": "reference"},
        "encoding": {"x": {**plain, "field": "at"}, "y": {**y, "field": "y"}},
    }
    return {
        "title": titled(one.method, f"calibration error {percent(one.bins.error)}"),
        "width": _SIDE,
        "height": _SIDE,
        "data": {"values": _values(one.bins)},
        "layer": [bars, diagonal, ends, dots],
    }


def _counts(one: Diagram, most: float, *, is_first: bool) -> Spec:
    y = {
        "field": "share",
        "type": "quantitative",
        "title": "samples" if is_first else None,
        "scale": {"domain": [0, rounded(100 * most)], "nice": False},
        "axis": {
            "labelExpr": PERCENT,
            "tickCount": 2,
            "labels": is_first,
            "ticks": is_first,
        },
    }
    return {
        "width": _SIDE,
        "height": _COUNTS,
        "data": {"values": _values(one.bins)},
        "mark": {"type": "bar", "color": "#83878f", "opacity": 0.6, "binSpacing": 1},
        "encoding": {
            "x": {**_X, "field": "low", "title": "confidence", "axis": _PERCENT},
            "x2": {"field": "high"},
            "y": y,
            "tooltip": tooltip({"range": "confidence", "count": "samples"}),
        },
    }


def _values(bins: Bins) -> list[Spec]:
    values = []
    whole = max(float(bins.samples.sum()), 1.0)
    for i in np.flatnonzero(bins.samples):
        count, right = float(bins.samples[i]), float(bins.right[i])
        low, high = wilson_interval(int(right), int(count))
        values.append(
            {
                "low": rounded(100 * i / BINS),
                "high": rounded(100 * (i + 1) / BINS),
                "at": rounded(100 * float(bins.confidence[i]) / count),
                "accuracy": rounded(100 * right / count),
                "lower": rounded(100 * low),
                "upper": rounded(100 * high),
                "share": rounded(100 * count / whole),
                "range": f"{100 * i / BINS:.3g} to {100 * (i + 1) / BINS:.3g} %",
                "shown": percent_with_interval(right / count, low, high),
                "count": f"{int(count):,}",
            }
        )
    return values
