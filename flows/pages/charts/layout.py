"""Pieces that several charts share: grids of panels, tooltips, and the scales of kinds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.pages.charts.palette import KINDS, kind_of

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

WIDTH = 880
"""The most pixels that a chart is wide."""


def grid(panels: Sequence[Spec], columns: int, *, spacing: int = 24) -> Spec:
    """Return panels side by side in rows.

    Args:
        panels: the panels, of one size.
        columns: panels in a row.
        spacing: pixels between panels.
    """
    rows = [{"hconcat": list(panels[i : i + columns]), "spacing": spacing} for i in range(0, len(panels), columns)]
    return {"vconcat": rows, "spacing": spacing}


def titled(text: str, subtitle: str = "") -> Spec:
    """Return the title of a panel, at its left edge."""
    title: Spec = {"text": text, "anchor": "start", "fontSize": 13, "frame": "group", "offset": 6}
    return {**title, "subtitle": subtitle, "subtitlePadding": 2} if subtitle else title


def tooltip(fields: Mapping[str, str]) -> list[Spec]:
    """Return the lines of a tooltip: the title of each field by its name; the values are texts."""
    return [{"field": name, "title": title, "type": "nominal"} for name, title in fields.items()]


def kind_scales(methods: Iterable[str], *, legend: bool = True) -> Spec:
    """Return the encodings of colour and shape by the field `kind`, of the kinds that methods have.

    Args:
        methods: names of methods.
        legend: whether one legend above the chart shows the kinds.
    """
    present = {kind_of(method) for method in methods}
    kinds = [kind for kind in KINDS if kind in present]
    shown = {"orient": "top", "title": None, "symbolSize": 90, "symbolOpacity": 1} if legend else None
    names = [kind.title for kind in kinds]
    return {
        "color": _scale(names, [kind.color for kind in kinds], shown),
        "shape": _scale(names, [kind.shape for kind in kinds], shown),
    }


def _scale(names: list[str], values: list[str], legend: Spec | None) -> Spec:
    return {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": names, "range": values},
        "legend": legend,
    }


def rounded(value: float) -> float:
    """Return a coordinate in as many digits as a picture needs.

    Example:
        >>> rounded(0.123456789)
        0.12346
    """
    return float(f"{value:.5g}")
