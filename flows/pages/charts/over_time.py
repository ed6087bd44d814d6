"""Accuracies over time: one line for each of a few methods, and the base as the reference."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from flows.pages.charts.layout import Spec, rounded, tooltip
from flows.pages.charts.palette import KINDS, REFERENCE

_WIDTH, _HEIGHT = 790, 310
_FEW = 60  # runs; the marks of more are small
_STYLES = [(kind.color, kind.shape) for kind in KINDS if kind is not REFERENCE]
MOST_LINES = len(_STYLES)
"""Methods that the chart shows at most, besides the base."""


class Point(NamedTuple):
    """An accuracy at a time."""

    at: datetime
    method: str
    accuracy: float
    """Percent."""
    checkpoint: str
    shown: str
    """The accuracy as text, with its interval."""
    is_new: bool


def over_time(points: Sequence[Point], methods: Sequence[str], base: str) -> Spec:
    """Return the chart of accuracies over time.

    Args:
        points: those of the methods and of the base, at least one.
        methods: the methods with a line, at most `MOST_LINES`.
        base: the method that is the reference.
    """
    names = [*methods, base]
    styles = [*_STYLES[: len(methods)], (REFERENCE.color, REFERENCE.shape)]
    legend = {"orient": "top", "title": None, "columns": 3, "symbolSize": 90, "labelLimit": 220}
    color = {"field": "method", "type": "nominal", "scale": _scale(names, [c for c, _ in styles]), "legend": legend}
    shape = {**color, "scale": _scale(names, [s for _, s in styles])}
    dash = {"condition": {"test": {"field": "method", "equal": base}, "value": [5, 4]}, "value": [1, 0]}
    x = {"field": "at", "type": "temporal", "title": "time of the run (UTC)", "scale": _times(points)}
    x |= {"axis": {"tickCount": 6, "labelOverlap": True, "labelFlush": False, "grid": False}}
    y = {"field": "accuracy", "type": "quantitative", "title": "top-1 accuracy, %", "scale": _accuracies(points)}
    y |= {"axis": {"tickCount": 6}}
    lines = {"method": "method", "checkpoint": "checkpoint", "shown": "top-1 accuracy", "time": "time of the run"}
    new, old = (120, 40) if len({point.at for point in points}) <= _FEW else (40, 8)
    size = {"condition": {"test": "datum.new", "value": new}, "value": old}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": [_row(point) for point in points]},
        "encoding": {"x": x, "y": y, "color": color},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 1.5, "opacity": 0.8}, "encoding": {"strokeDash": dash}},
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {"shape": shape, "size": size, "tooltip": tooltip(lines)},
            },
        ],
    }


def _row(point: Point) -> Spec:
    return {
        "at": point.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "time": f"{point.at:%Y-%m-%d %H:%M}",
        "method": point.method,
        "accuracy": rounded(point.accuracy),
        "checkpoint": point.checkpoint + (" (new)" if point.is_new else ""),
        "shown": point.shown,
        "new": point.is_new,
    }


def _scale(names: list[str], values: list[str]) -> Spec:
    return {"domain": names, "range": values}


def _times(points: Sequence[Point]) -> Spec:
    """Return the scale of the time axis: a little longer than the points, also where all of them have one time."""
    first, last = (choose(point.at for point in points) for choose in (min, max))
    margin = 0.04 * (last - first) or timedelta(hours=12)
    ends = [end.strftime("%Y-%m-%dT%H:%M:%SZ") for end in (first - margin, last + margin)]
    return {"type": "utc", "domain": ends, "nice": False}


def _accuracies(points: Sequence[Point]) -> Spec:
    """Return the scale of the accuracies, within 0 and 100 %."""
    low, high = (choose(point.accuracy for point in points) for choose in (min, max))
    margin = max(0.08 * (high - low), 0.5)
    return {"domain": [rounded(max(low - margin, 0)), rounded(min(high + margin, 100))], "zero": False, "nice": True}
