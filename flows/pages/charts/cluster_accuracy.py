"""Accuracy of every model inside each cluster: whether the clusters separate the samples that a model is good at."""

from collections.abc import Sequence
from typing import NamedTuple

from flows.pages.charts.axes import PERCENT
from flows.pages.charts.layout import Spec, grid, rounded, titled, tooltip
from flows.pages.charts.palette import DAWIN, MERGED, SINGLE
from flows.pages.figures import percent_with_interval

_PANEL, _ROW, _LABELS = 270, 40, 150


class Hits(NamedTuple):
    """One method's accuracy in one cluster."""

    method: str
    value: float
    low: float
    high: float


class Cluster(NamedTuple):
    """The samples of one cluster."""

    title: str
    """Such as `λ 0.12 · 1,203 samples`."""
    hits: tuple[Hits, ...]
    """One for each method, in the order of the legend."""


class Panel(NamedTuple):
    """The clusters of one data set."""

    dataset: str
    subtitle: str
    clusters: tuple[Cluster, ...]


def cluster_accuracy(panels: Sequence[Panel], methods: tuple[str, str, str]) -> Spec:
    """Return one panel for each data set, one row for each cluster.

    Args:
        panels: the data sets.
        methods: the base, the fine-tuned model and the merge.
    """
    return grid([_panel(panel, methods) for panel in panels], 2, spacing=24)


def _panel(panel: Panel, methods: tuple[str, str, str]) -> Spec:
    titles = [cluster.title for cluster in panel.clusters]
    values = [_row(cluster, one) for cluster in panel.clusters for one in cluster.hits]
    x = {
        "type": "quantitative",
        "title": None,
        "scale": {"zero": False, "nice": True},
        "axis": {"labelExpr": PERCENT, "tickCount": 4, "labelOverlap": "greedy", "labelSeparation": 8},
    }
    names = {"labelLimit": _LABELS, "minExtent": _LABELS, "ticks": False, "domain": False, "grid": True}
    y = {"field": "cluster", "type": "nominal", "sort": titles, "title": None, "axis": names}
    within = {"field": "method", "type": "nominal", "sort": list(methods), "scale": {"domain": list(methods)}}
    # one legend for all panels, which share the scales
    legend = {"orient": "top", "title": None, "symbolSize": 90, "symbolOpacity": 1}
    color = _scale(methods, [SINGLE.color, MERGED.color, DAWIN.color], legend)
    shape = _scale(methods, [SINGLE.shape, MERGED.shape, DAWIN.shape], legend)
    return {
        "title": titled(panel.dataset, panel.subtitle),
        "width": _PANEL,
        "height": _ROW * len(titles),
        "data": {"values": values},
        "encoding": {"y": y, "yOffset": within, "color": color},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.55},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "x": {**x, "field": "at"},
                    "shape": shape,
                    "tooltip": tooltip({"method": "method", "cluster": "cluster", "accuracy": "accuracy"}),
                },
            },
        ],
    }


def _row(cluster: Cluster, one: Hits) -> Spec:
    return {
        "cluster": cluster.title,
        "method": one.method,
        "at": rounded(100 * one.value),
        "low": rounded(100 * one.low),
        "high": rounded(100 * one.high),
        "accuracy": percent_with_interval(one.value, one.low, one.high),
    }


def _scale(methods: Sequence[str], values: list[str], legend: Spec) -> Spec:
    scale = {"domain": list(methods), "range": values}
    return {"field": "method", "type": "nominal", "scale": scale, "legend": legend}
