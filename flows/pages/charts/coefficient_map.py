"""Heat map of shares: one row a data set or a cluster, one column a model, the value in each field."""

from collections.abc import Sequence
from typing import NamedTuple

from flows.pages.charts.layout import WIDTH, Spec, rounded, tooltip

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
    rows = list(dict.fromkeys(field.row for field in fields))
    columns = list(dict.fromkeys(field.column for field in fields))
    lowest, top = min(f.value for f in fields), max(f.value for f in fields)
    lowest, top = 0.0 if is_zero_based else lowest, top if top > lowest else lowest + 1.0
    width = min(_WIDEST, (WIDTH - _LABELS) // len(columns))
    is_narrow = max(map(len, columns)) * _CHARACTER > width
    values = [
        {
            "row": field.row,
            "column": field.column,
            "value": rounded(field.value),
            "text": field.text,
            "strong": field.is_strong,
        }
        for field in fields
    ]
    x = {
        "field": "column",
        "type": "nominal",
        "sort": columns,
        "title": titles[1],
        "axis": {
            **_AXIS,
            "orient": "top",
            "labelAngle": -40 if is_narrow else 0,
            "labelLimit": 160,
        },
    }
    y = {
        "field": "row",
        "type": "nominal",
        "sort": rows,
        "title": None,
        "axis": {**_AXIS, "labelLimit": 190},
    }
    opacity = {"domain": [rounded(lowest), rounded(top)], "range": [_FAINT, _FULL], "clamp": True}
    rectangles = {
        "mark": {"type": "rect", "color": "#3b7dbf", "cornerRadius": 2},
        "encoding": {
            "opacity": {"field": "value", "type": "quantitative", "scale": opacity, "legend": None},
            "tooltip": tooltip(dict(zip(("row", "column", "text"), titles, strict=True))),
        },
    }
    texts = [
        {
            "transform": [{"filter": f"datum.strong == {'true' if is_strong else 'false'}"}],
            "mark": {"type": "text", "style": "label", "fontSize": 11, "fontWeight": "bold" if is_strong else "normal"},
            "encoding": {"text": {"field": "text", "type": "nominal"}},
        }
        for is_strong in sorted({field.is_strong for field in fields})
    ]
    return {
        "width": {"step": width},
        "height": {"step": _ROW},
        "data": {"values": values},
        "encoding": {"x": x, "y": y},
        "layer": [rectangles, *texts],
    }
