"""A picture of coefficients for the Prefect UI: their histogram and the density of the fitted mixture, as SVG."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from scipy.special import betaln, xlog1py, xlogy

from tasks.numerics.checks import Floats

_WIDTH, _HEIGHT, _BINS, _POINTS = 480, 178, 48, 161
_PLOT = 160  # height of the plot, above the axis
_EDGE = 8  # between text and the sides
_COLORS = ("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#9c755f")


def histogram(
    coefficients: Iterable[Floats],
    weights: Floats | None = None,
    concentration: Floats | None = None,
    names: Sequence[str] = (),
) -> str:
    """Return the histogram of each model's coefficients from 0 (left) to 1 (right), as an SVG.

    Args:
        coefficients: arrays (n_i, M), at least one, rows on the simplex; of two models only the second is drawn.
        weights: (K,) weights of the components of a fitted mixture; None: no density is drawn.
        concentration: (K, M) concentrations of its Dirichlet components, whose marginals are Beta distributions.
        names: names of the M models for the legend; empty: no legend.
    """
    edges = np.linspace(0, 1, _BINS + 1)
    counts = sum(np.stack([np.histogram(column, edges)[0] for column in part.T]) for part in coefficients)
    assert isinstance(counts, np.ndarray)  # not the empty sum
    drawn = [1] if len(counts) == 2 else list(range(len(counts)))
    densities = [counts[m] / np.diff(edges) / counts[m].sum() for m in drawn]
    points = np.linspace(0.003, 0.997, _POINTS)
    lines = []
    if weights is not None and concentration is not None:
        rest = concentration.sum(axis=1, keepdims=True) - concentration
        lines = [
            sum(
                w * _beta_density(points, a, b)
                for w, a, b in zip(weights, concentration[:, m], rest[:, m], strict=True)
            )
            for m in drawn
        ]
    top = max(float(max(values.max() for values in densities)), 1e-9) * 1.1
    shapes = [
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *(_bars(values, top, _COLORS[i % len(_COLORS)], 0.7 / len(drawn) + 0.1) for i, values in enumerate(densities)),
        *(_line(points, np.asarray(values), top, _COLORS[i % len(_COLORS)]) for i, values in enumerate(lines)),
        *(_text(x * (_WIDTH - 2 * _EDGE) + _EDGE, _HEIGHT - 4, f"{x:g}", "#333") for x in (0, 0.25, 0.5, 0.75, 1)),
        *(_legend(i, names[m]) for i, m in enumerate(drawn) if m < len(names)),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="11">{"".join(shapes)}</svg>'
    )


def as_image(svg: str, title: str) -> str:
    """Return a picture as Markdown that holds the picture itself."""
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _text(x: float, y: float, text: str, color: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(row: int, name: str) -> str:
    return _text(_WIDTH - _EDGE, 14 * (row + 1), name, _COLORS[row % len(_COLORS)], "end")


def _beta_density(x: Floats, a: float, b: float) -> Floats:
    """Return the density of Beta(a, b) at points inside (0, 1)."""
    density: Floats = np.exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))
    return density


def _bars(values: Floats, top: float, color: str, opacity: float) -> str:
    step = _WIDTH / _BINS
    bars = [
        f'<rect x="{i * step:.1f}" y="{_PLOT * (1 - value / top):.1f}" width="{step:.1f}" '
        f'height="{_PLOT * value / top:.1f}"/>'
        for i, value in enumerate(values)
        if value
    ]
    return f'<g fill="{color}" opacity="{opacity:.2f}">{"".join(bars)}</g>'


def _line(points: Floats, values: Floats, top: float, color: str) -> str:
    corners = " ".join(
        f"{x * _WIDTH:.1f},{max(0.0, _PLOT * (1 - y / top)):.1f}" for x, y in zip(points, values, strict=True)
    )
    return f'<polyline points="{corners}" fill="none" stroke="{color}" stroke-width="1.5"/>'
