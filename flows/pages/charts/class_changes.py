"""Classes that gain and lose most: the difference of two methods' accuracies on each."""

from collections.abc import Sequence
from typing import NamedTuple

from flows.pages.charts.layout import Spec, grid, rounded, titled, tooltip
from flows.pages.figures import points

_PANEL, _ROW, _LABELS = 240, 19, 150
_SIGNED = "(datum.value > 0 ? '+' : '') + replace(format(datum.value, '.3~g'), '-', '−')"
_GAIN, _LOSS = "#1f9276", "#b5527a"


class Change(NamedTuple):
    """One class."""

    name: str
    samples: int
    before: int
    """Samples that the other method predicts right."""
    after: int
    """Samples that the merge predicts right."""

    @property
    def difference(self) -> float:
        """The difference of the accuracies, from −1 to 1."""
        return (self.after - self.before) / self.samples


class Panel(NamedTuple):
    """The comparison with one method."""

    title: str
    subtitle: str
    changes: tuple[Change, ...]
    """The greatest gain first, the greatest loss last."""


def class_changes(panels: Sequence[Panel]) -> Spec:
    """Return one panel of bars for each comparison.

    Args:
        panels: at most two.
    """
    return grid([_panel(panel) for panel in panels], len(panels), spacing=30)


def _panel(panel: Panel) -> Spec:
    values = [
        {
            "name": change.name,
            "change": rounded(100 * change.difference),
            "color": _GAIN if change.difference > 0 else _LOSS,
            "shown": points(change.difference),
            "right": f"{change.before:,} before, {change.after:,} now, of {change.samples:,}",
        }
        for change in panel.changes
    ]
    names = [change.name for change in panel.changes]
    y = {
        "field": "name",
        "type": "nominal",
        "sort": names,
        "title": None,
        "axis": {"labelLimit": _LABELS, "minExtent": _LABELS, "ticks": False, "domain": False},
    }
    x = {
        "field": "change",
        "type": "quantitative",
        "title": "change in accuracy, points",
        "axis": {
            "labelExpr": _SIGNED,
            "tickCount": 5,
        },
    }
    facts = tooltip({"name": "class", "shown": "change", "right": "right"})
    color = {"field": "color", "type": "nominal", "scale": None, "legend": None}
    return {
        "title": titled(panel.title, panel.subtitle),
        "width": _PANEL,
        "height": _ROW * len(names),
        "data": {"values": values},
        "mark": {"type": "bar", "height": {"band": 0.7}, "cornerRadiusEnd": 2},
        "encoding": {"x": x, "y": y, "color": color, "tooltip": facts},
    }
