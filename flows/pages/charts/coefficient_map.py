"""Heat map of shares: one row a data set or a cluster, one column a model, the value in each field."""

from collections.abc import Sequence
from typing import NamedTuple

from flows.pages.charts.layout import WIDTH, Spec, rounded, tooltip
from flows.pages.charts.palette import LOW

_ROW, _WIDEST, _CHARACTER, _LABELS = 26, 110, 6.3, 200
_FAINT, _FULL = 0.04, 0.72  # opacity of the lowest and of the highest value: text stays readable on both
_AXIS: Spec = {"ticks": False, "domain": False}


class Field(NamedTuple):
    """One field of the map."""

    row: str
    column: str
    value: float
    text: str
    is_strong: bool = False
    """Whether the text is bold: the best of its row."""


def coefficient_map(fields: Sequence[Field], *, titles: tuple[str, str, str], is_zero_based: bool = True) -> Spec:
    """Return the heat map.

    Args:
        fields: the fields; rows and columns appear in their order.
        titles: words for the rows, the columns and the values.
        is_zero_based: whether the faintest colour stands for 0; otherwise for the lowest value.
    """
    lowest, top = min(f.value for f in fields), max(f.value for f in fields)
    lowest, top = 0.0 if is_zero_based else lowest, top if top > lowest else lowest + 1.0
    opacity = {"domain": [rounded(lowest), rounded(top)], "range": [_FAINT, _FULL], "clamp": True}
    rectangles = {
        "mark": {"type": "rect", "color": LOW, "cornerRadius": 2},
        "encoding": {
            "opacity": {"field": "value", "type": "quantitative", "scale": opacity, "legend": None},
            "tooltip": tooltip(dict(zip(("row", "column", "text"), titles, strict=True))),
        },
    }
    columns = list(dict.fromkeys(field.column for field in fields))
    width = min(_WIDEST, (WIDTH - _LABELS) // len(columns))
    return {
        "width": {"step": width},
        "height": {"step": _ROW},
        "data": {"values": [_value(field) for field in fields]},
        "encoding": {
            "x": _columns(columns, width, titles[1]),
            "y": {
                "field": "row",
                "type": "nominal",
                "sort": list(dict.fromkeys(field.row for field in fields)),
                "title": None,
                "axis": {**_AXIS, "labelLimit": 190},
            },
        },
        "layer": [rectangles, *(_texts(is_strong) for is_strong in sorted({field.is_strong for field in fields}))],
    }


def _value(field: Field) -> Spec:
    return {
        "row": field.row,
        "column": field.column,
        "value": rounded(field.value),
        "text": field.text,
        "strong": field.is_strong,
    }


def _columns(names: Sequence[str], width: int, title: str) -> Spec:
    """Return the horizontal axis; names that are wider than their column are turned."""
    angle = -40 if max(map(len, names)) * _CHARACTER > width else 0
    axis = {**_AXIS, "orient": "top", "labelAngle": angle, "labelLimit": 160}
    return {"field": "column", "type": "nominal", "sort": list(names), "title": title, "axis": axis}


def _texts(is_strong: bool) -> Spec:
    weight = "bold" if is_strong else "normal"
    return {
        "transform": [{"filter": f"datum.strong == {'true' if is_strong else 'false'}"}],
        "mark": {"type": "text", "style": "label", "fontSize": 11, "fontWeight": weight},
        "encoding": {"text": {"field": "text", "type": "nominal"}},
    }
