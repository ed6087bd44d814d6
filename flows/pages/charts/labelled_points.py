"""Points of methods with error bars and direct labels: the layers of every scatter of methods."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.pages.charts.axes import Axis
from flows.pages.charts.label_places import Place, places
from flows.pages.charts.layout import Spec, kind_scales, rounded, tooltip
from flows.pages.charts.palette import DAWIN, kind_of


@dataclass(frozen=True, kw_only=True)
class Point:
    """A method in a plot, in the units of the axes."""

    method: str
    x: float
    y: float
    facts: tuple[tuple[str, str], ...]
    """Titles and texts of the tooltip."""
    x_ends: tuple[float, float] | None = None
    """Ends of the 95 % interval; None: no interval."""
    y_ends: tuple[float, float] | None = None
    is_labelled: bool = True


def layers(points: Sequence[Point], x: Axis, y: Axis, channels: tuple[Spec, Spec]) -> list[Spec]:
    """Return the layers: error bars of the labelled points, points, lines to distant labels, labels.

    Args:
        points: the methods; later ones are drawn over earlier ones.
        x: the horizontal axis.
        y: the vertical axis, upwards.
        channels: the encodings of the fields `x` and `y`.
    """
    # DaWin's labels come first; neighbours from above to below, so that lines to labels do not cross
    named = sorted((p for p in points if p.is_labelled), key=lambda p: (kind_of(p.method) != DAWIN, -p.y))
    rest = [point for point in points if not point.is_labelled]
    pixels = {id(point): (x.pixel(point.x), y.length - y.pixel(point.y)) for point in points}
    found = places(
        [pixels[id(p)] for p in named],
        [p.method for p in named],
        (x.length, y.length),
        [pixels[id(p)] for p in rest],
        [stroke for p in named for stroke in _strokes(p, x, y)],
    )
    across, up = channels
    scales = kind_scales([point.method for point in points])
    return [
        *_bars(named, across, up, scales["color"]),
        _points(points, across, up, scales),
        *_labels(named, found, x, y, (across, up)),
    ]


def _strokes(point: Point, x: Axis, y: Axis) -> list[tuple[float, float, float, float]]:
    """Return the pixels of a point's error bars: left, top, right, bottom."""
    across, up = x.pixel(point.x), y.length - y.pixel(point.y)
    found = []
    if point.x_ends:
        found.append((x.pixel(point.x_ends[0]), up - 1, x.pixel(point.x_ends[1]), up + 1))
    if point.y_ends:
        low, high = (y.length - y.pixel(end) for end in point.y_ends)
        found.append((across - 1, high, across + 1, low))
    return found


def _bars(points: Sequence[Point], across: Spec, up: Spec, color: Spec) -> list[Spec]:
    """Return the error bars, in the colours of their points."""
    mark = {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55}
    wide = [
        {"x": rounded(p.x_ends[0]), "x2": rounded(p.x_ends[1]), "y": rounded(p.y), "kind": kind_of(p.method).title}
        for p in points
        if p.x_ends
    ]
    tall = [
        {"x": rounded(p.x), "y": rounded(p.y_ends[0]), "y2": rounded(p.y_ends[1]), "kind": kind_of(p.method).title}
        for p in points
        if p.y_ends
    ]
    both = [(wide, {"x2": {"field": "x2"}}), (tall, {"y2": {"field": "y2"}})]
    return [
        {"data": {"values": values}, "mark": mark, "encoding": {"x": across, "y": up, **end, "color": color}}
        for values, end in both
        if values
    ]


def _points(points: Sequence[Point], across: Spec, up: Spec, scales: Spec) -> Spec:
    titles = dict.fromkeys(title for point in points for title, _ in point.facts)
    names = {title: f"fact_{i}" for i, title in enumerate(titles)}
    ordered = sorted(points, key=lambda p: (kind_of(p.method) == DAWIN, p.is_labelled))
    values = [
        {
            "method": p.method,
            "kind": kind_of(p.method).title,
            "x": rounded(p.x),
            "y": rounded(p.y),
            "size": 150 if kind_of(p.method) == DAWIN else 75 if p.is_labelled else 40,
            **{names[title]: text for title, text in p.facts},
        }
        for p in ordered
    ]
    return {
        "data": {"values": values},
        "mark": {"type": "point", "filled": True, "opacity": 1},
        "encoding": {
            "x": across,
            "y": up,
            **scales,
            "size": {"field": "size", "type": "quantitative", "scale": None, "legend": None},
            "tooltip": tooltip({"method": "method", **{name: title for title, name in names.items()}}),
        },
    }


def _labels(
    named: Sequence[Point], found: Sequence[Place], x: Axis, y: Axis, channels: tuple[Spec, Spec]
) -> list[Spec]:
    across, up = channels
    both = list(zip(named, found, strict=True))
    leaders = [
        {
            "x": rounded(point.x),
            "y": rounded(point.y),
            "x2": rounded(x.value(place.x)),
            "y2": rounded(y.value(y.length - place.y)),
        }
        for point, place in both
        if place.has_leader
    ]
    lines: Spec = {
        "data": {"values": leaders},
        "mark": {"type": "rule", "style": "reference", "strokeWidth": 0.8, "strokeDash": []},
        "encoding": {"x": across, "y": up, "x2": {"field": "x2"}, "y2": {"field": "y2"}},
    }
    texts = []
    for align in ("left", "right", "center"):
        values = [
            {
                "text": point.method,
                "x": rounded(x.value(place.x)),
                "y": rounded(y.value(y.length - place.y)),
                "weight": "bold" if kind_of(point.method) == DAWIN else "normal",
            }
            for point, place in both
            if place.align == align
        ]
        for weight in ("bold", "normal"):
            if mine := [value for value in values if value["weight"] == weight]:
                texts.append(_texts(mine, align, weight, channels))
    return [*([lines] if leaders else []), *texts]


def _texts(values: list[Spec], align: str, weight: str, channels: tuple[Spec, Spec]) -> Spec:
    across, up = channels
    mark = {
        "type": "text",
        "style": "label",
        "align": align,
        "baseline": "middle",
        "fontSize": 11,
        "fontWeight": weight,
    }
    return {
        "data": {"values": values},
        "mark": {**mark, "fontSize": 11},
        "encoding": {"x": across, "y": up, "text": {"field": "text", "type": "nominal"}},
    }
