"""Distributions of coefficients: histograms, the density of the fitted mixture over them, and its clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, xlog1py, xlogy

from flows.pages.charts.layout import Spec, grid, rounded, titled, tooltip
from flows.pages.charts.palette import between
from flows.pages.figures import figure
from tasks.numerics.checks import Floats

_BINS, _POINTS = 50, 161
_SHARE = 0.001  # of the samples that may lie outside of the drawn range, at either end
_ROOM = 1.12  # height of the plot, in the highest bar


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """The coefficients of one model on one data set."""

    title: str
    subtitle: str
    counts: Floats
    """Samples in each of 50 bins of equal width from 0 to 1."""
    weights: Floats
    """(K,) weights of the mixture's components; none: no mixture was fitted."""
    first: Floats
    """(K,) first parameters of the components' Beta distributions."""
    second: Floats
    """(K,) second parameters."""
    coefficients: Floats
    """(K,) coefficients that the clusters are merged with."""
    samples: Floats
    """(K,) samples of the clusters."""


def marginal_counts(coefficients: Floats) -> Floats:
    """Return the number of samples in each bin.

    Args:
        coefficients: (n,), from 0 to 1.

    Example:
        >>> marginal_counts(np.array([0.0, 0.01, 1.0]))[[0, -1]].tolist()
        [2.0, 1.0]
    """
    counts: Floats = np.histogram(coefficients, _BINS, (0.0, 1.0))[0].astype(np.float64)
    return counts


def coefficient_panels(panels: Sequence[Marginal], *, columns: int, size: tuple[int, int], axis_title: str) -> Spec:
    """Return one panel for each distribution.

    Args:
        panels: the distributions, row by row.
        columns: panels in a row.
        size: width and height of a panel, pixels.
        axis_title: words for the horizontal axis, below the lowest panel of each column.
    """
    lowest = len(panels) - columns
    ends = _ends(panels)
    drawn = [_panel(panel, size, ends, axis_title if i >= lowest else None) for i, panel in enumerate(panels)]
    return grid(drawn, columns, spacing=20)


def beta_density(x: Floats, first: float, second: float) -> Floats:
    """Return the density of a Beta distribution at points inside (0, 1).

    Example:
        >>> beta_density(np.array([0.25, 0.5]), 1.0, 1.0)
        array([1., 1.])
    """
    density: Floats = np.exp(xlogy(first - 1, x) + xlog1py(second - 1, -x) - betaln(first, second))
    return density


def _ends(panels: Sequence[Marginal]) -> tuple[float, float]:
    """Return the range of coefficients that all panels show: tenths, between which nearly all samples of each lie."""
    low, high = 1.0, 0.0
    for panel in panels:
        reached = np.cumsum(panel.counts) / max(panel.counts.sum(), 1.0)
        low = min(low, float(np.searchsorted(reached, _SHARE, side="right")) / _BINS)
        high = max(high, float(np.searchsorted(reached, 1 - _SHARE) + 1) / _BINS)
    low, high = np.floor(10 * low + 1e-9) / 10, np.ceil(10 * high - 1e-9) / 10
    return (float(low), float(high)) if high - low >= 0.2 else (0.0, 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Return the ticks of a range: tenths, or every second or fifth of them."""
    tenths = range(round(10 * low), round(10 * high) + 1)
    step = 1 if len(tenths) <= 6 else 2
    return [tenth / 10 for tenth in tenths if (tenth - tenths[0]) % step == 0]


def _panel(panel: Marginal, size: tuple[int, int], ends: tuple[float, float], axis_title: str | None) -> Spec:
    heights = panel.counts * _BINS / max(panel.counts.sum(), 1.0)
    top = max(float(heights.max()) * _ROOM, 1e-9)
    x = {
        "type": "quantitative",
        "title": axis_title,
        "scale": {"domain": list(ends), "nice": False},
        "axis": {"values": _ticks(*ends), "format": "~g", "grid": False, "titlePadding": 6},
    }
    y = {"type": "quantitative", "scale": {"domain": [0, rounded(top)], "nice": False}, "axis": None}
    order = np.argsort(panel.coefficients, kind="stable")
    colors = _colors(order)
    return {
        "title": titled(panel.title, panel.subtitle),
        "width": size[0],
        "height": size[1],
        "layer": [
            _bars(panel, heights, x, y),
            *([_densities(panel, top, colors, (x, y)), _whole(panel, top, x, y)] if len(panel.weights) else []),
            *([_marks(panel, order, colors, x)] if len(panel.coefficients) else []),
        ],
    }


def _bars(panel: Marginal, heights: Floats, x: Spec, y: Spec) -> Spec:
    values = [
        {
            "x": i / _BINS,
            "x2": (i + 1) / _BINS,
            "y": rounded(height),
            "range": f"{i / _BINS:g} to {(i + 1) / _BINS:g}",
            "samples": f"{int(count):,}",
        }
        for i, (height, count) in enumerate(zip(heights, panel.counts, strict=True))
        if count
    ]
    return {
        "data": {"values": values},
        "mark": {"type": "bar", "color": "#83878f", "opacity": 0.4, "binSpacing": 0.5, "clip": True},
        "encoding": {
            "x": {**x, "field": "x", "bin": {"binned": True, "step": 1 / _BINS}},
            "x2": {"field": "x2"},
            "y": {**y, "field": "y"},
            "tooltip": tooltip({"range": "coefficient", "samples": "samples"}),
        },
    }


def _densities(panel: Marginal, top: float, colors: Sequence[str], axes: tuple[Spec, Spec]) -> Spec:
    """Return the lines of the components, each in the colour of its cluster."""
    x, y = axes
    values = [
        {"x": rounded(at), "y": rounded(min(height, 2 * top)), "cluster": str(k), "color": colors[k]}
        for k in range(len(panel.weights))
        for at, height in zip(_points(), _component(panel, k), strict=True)
    ]
    return {
        "data": {"values": values},
        "mark": {"type": "line", "clip": True, "strokeWidth": 2},
        "encoding": {
            "x": {**x, "field": "x"},
            "y": {**y, "field": "y"},
            "detail": {"field": "cluster", "type": "nominal"},
            "color": {"field": "color", "type": "nominal", "scale": None, "legend": None},
        },
    }


def _whole(panel: Marginal, top: float, x: Spec, y: Spec) -> Spec:
    """Return the line of the whole mixture's density."""
    total = np.sum([_component(panel, k) for k in range(len(panel.weights))], axis=0)
    values = [{"x": rounded(at), "y": rounded(min(h, 2 * top))} for at, h in zip(_points(), total, strict=True)]
    return {
        "data": {"values": values},
        "mark": {"type": "line", "style": "reference", "clip": True, "strokeWidth": 1.5},
        "encoding": {"x": {**x, "field": "x"}, "y": {**y, "field": "y"}},
    }


def _marks(panel: Marginal, order: NDArray[np.intp], colors: Sequence[str], x: Spec) -> Spec:
    """Return a mark at each cluster's coefficient, on the lower edge."""
    values = [
        {
            "x": rounded(float(panel.coefficients[k])),
            "color": colors[k],
            "cluster": f"{i + 1} of {len(order)}",
            "coefficient": figure(float(panel.coefficients[k])),
            "samples": f"{int(panel.samples[k]):,}",
        }
        for i, k in enumerate(order)
    ]
    facts = {"cluster": "cluster", "coefficient": "merged with", "samples": "samples"}
    return {
        "data": {"values": values},
        "mark": {"type": "point", "shape": "triangle-up", "filled": True, "size": 90, "opacity": 1, "yOffset": -5},
        "encoding": {
            "x": {**x, "field": "x"},
            "y": {"value": "height"},
            "color": {"field": "color", "type": "nominal", "scale": None, "legend": None},
            "tooltip": tooltip(facts),
        },
    }


def _colors(order: NDArray[np.intp]) -> list[str]:
    """Return the colour of each cluster, from the one of least to the one of most weight."""
    shares = {int(k): i / max(len(order) - 1, 1) for i, k in enumerate(order)}
    return [between(shares[k]) for k in range(len(order))]


def _points() -> Floats:
    """Return the points of the lines: closer at the ends, where densities are steep."""
    points: Floats = (1 - np.cos(np.linspace(0.02, np.pi - 0.02, _POINTS))) / 2
    return points


def _component(panel: Marginal, k: int) -> Floats:
    density: Floats = panel.weights[k] * beta_density(_points(), float(panel.first[k]), float(panel.second[k]))
    return density
