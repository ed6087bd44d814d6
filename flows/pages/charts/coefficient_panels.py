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

_BINS = 50
_ACROSS, _PER_COMPONENT = 41, 41  # points of a line over the drawn range, and around each component
_WIDTHS = 4.0  # standard deviations on either side of a component's mean in which its points lie
_HIGHEST = 3.0  # height of a plot in its highest bar at most: a component may be far narrower than a bar
_SHARE = 0.001  # of the samples that may lie outside of the drawn range, at either end
_ROOM = 1.12  # height of the plot, in its highest bar or point


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
    points = _points(panel, ends)
    lines = [_component(panel, k, points) for k in range(len(panel.weights))]
    whole = np.sum(lines, axis=0) if lines else np.zeros(1)
    highest = float(heights.max())
    top = max(min(max(highest, float(whole.max())), _HIGHEST * highest) * _ROOM, 1e-9)
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
            *([_densities(points, lines, top, colors, (x, y)), _whole(points, whole, top, x, y)] if lines else []),
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


def _densities(
    points: Floats, lines: Sequence[Floats], top: float, colors: Sequence[str], axes: tuple[Spec, Spec]
) -> Spec:
    """Return the lines of the components, each in the colour of its cluster."""
    x, y = axes
    values = [
        {"x": rounded(at), "y": rounded(min(height, 2 * top)), "cluster": str(k), "color": colors[k]}
        for k, line in enumerate(lines)
        for at, height in zip(points, line, strict=True)
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


def _whole(points: Floats, line: Floats, top: float, x: Spec, y: Spec) -> Spec:
    """Return the line of the whole mixture's density."""
    values = [{"x": rounded(at), "y": rounded(min(height, 2 * top))} for at, height in zip(points, line, strict=True)]
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


def _points(panel: Marginal, ends: tuple[float, float]) -> Floats:
    """Return the points of the lines: over the drawn range, and closer where a component has its weight."""
    whole = panel.first + panel.second
    mean = panel.first / whole
    width = np.sqrt(mean * (1 - mean) / (whole + 1))
    around = mean[:, None] + width[:, None] * np.linspace(-_WIDTHS, _WIDTHS, _PER_COMPONENT)
    low, high = max(ends[0], 1e-3), min(ends[1], 1 - 1e-3)  # a density may have no end at 0 and at 1
    points: Floats = np.unique(np.clip(np.r_[np.linspace(low, high, _ACROSS), around.ravel()], low, high).round(5))
    return points


def _component(panel: Marginal, k: int, points: Floats) -> Floats:
    density: Floats = panel.weights[k] * beta_density(points, float(panel.first[k]), float(panel.second[k]))
    return density
