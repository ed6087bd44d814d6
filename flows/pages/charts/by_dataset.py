"""Accuracies by data set: one panel a data set, one row a method, each value with its interval."""

from collections.abc import Sequence
from typing import NamedTuple

from flows.pages.charts.axes import PERCENT
from flows.pages.charts.layout import Spec, grid, kind_scales, rounded, titled, tooltip
from flows.pages.charts.palette import kind_of
from flows.pages.figures import percent_with_interval

_COLUMNS, _PANEL, _ROW = 3, 200, 17


class Value(NamedTuple):
    """A method's accuracy on one data set, from 0 to 1."""

    method: str
    value: float
    low: float | None
    high: float | None


class Panel(NamedTuple):
    """One data set."""

    dataset: str
    samples: int
    values: tuple[Value, ...]
    reference: float | None = None
    """The accuracy of the best individual model, drawn as a line."""


def by_dataset(panels: Sequence[Panel], methods: Sequence[str]) -> Spec:
    """Return one panel for each data set, on a scale of its own.

    Args:
        panels: the data sets.
        methods: the methods in the order of the rows.
    """
    return grid([_panel(panel, methods, i % _COLUMNS == 0) for i, panel in enumerate(panels)], _COLUMNS, spacing=22)


def _panel(panel: Panel, methods: Sequence[str], is_first: bool) -> Spec:
    values = [_row(one) for one in panel.values]
    x = {
        "field": "x",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False, "nice": True},
        "axis": {"labelExpr": PERCENT, "tickCount": 4, "labelOverlap": "greedy", "labelSeparation": 8},
    }
    rows = {"labels": True, "labelLimit": 190, "title": None, "ticks": False, "domain": False, "grid": False}
    y = {
        "field": "method",
        "type": "nominal",
        "sort": list(methods),
        "scale": {"domain": list(methods)},
        "axis": rows if is_first else None,
    }
    scales = kind_scales(methods, legend=False)
    interval = {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.55},
        "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": scales["color"]},
    }
    dots = {
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
        "encoding": {"x": x, **scales, "tooltip": tooltip({"method": "method", "accuracy": "accuracy"})},
    }
    line = {
        "data": {"values": [{"x": rounded(100 * panel.reference)}]} if panel.reference is not None else {"values": []},
        "mark": {"type": "rule", "style": "reference"},
        "encoding": {"x": x, "y": None},
    }
    return {
        "title": titled(panel.dataset, f"{panel.samples:,} samples"),
        "width": _PANEL,
        "height": _ROW * len(methods),
        "data": {"values": values},
        "encoding": {"y": y},
        "layer": [*([line] if panel.reference is not None else []), interval, dots],
    }


def _row(one: Value) -> Spec:
    found = {
        "method": one.method,
        "kind": kind_of(one.method).title,
        "x": rounded(100 * one.value),
        "accuracy": percent_with_interval(one.value, one.low, one.high),
    }
    if one.low is None or one.high is None:
        return found
    return {**found, "low": rounded(100 * one.low), "high": rounded(100 * one.high)}
