"""In-distribution accuracy against accuracy under shift: every method, and the curve of weight interpolation."""

from collections.abc import Sequence
from typing import NamedTuple

from flows.pages.charts.axes import PERCENT_OF_LOGIT, Axis, logit, logit_axis
from flows.pages.charts.labelled_points import Point, layers
from flows.pages.charts.layout import Spec, rounded
from flows.pages.figures import percent_with_interval

_WIDTH, _HEIGHT = 780, 460


class Share(NamedTuple):
    """An accuracy, from 0 to 1."""

    value: float
    low: float | None
    high: float | None
    samples: int

    @property
    def logits(self) -> tuple[float, float] | None:
        """The ends of its interval on the logit scale."""
        if self.low is None or self.high is None:
            return None
        return logit(self.low, self.samples), logit(self.high, self.samples)


class Pair(NamedTuple):
    """A method's accuracies on two groups of data sets."""

    method: str
    within: Share
    """In distribution."""
    shifted: Share
    is_labelled: bool


def against_shift(pairs: Sequence[Pair], curve: Sequence[tuple[Share, Share]], groups: tuple[str, str]) -> Spec:
    """Return the scatter of methods, both axes logit-scaled.

    Args:
        pairs: the methods.
        curve: accuracies of the interpolated models from the base to the fine-tuned one; empty: no curve.
        groups: the words for either axis, such as `accuracy on clean`.
    """
    points = [_point(pair, groups) for pair in pairs]
    ends = [(point.x_ends or (), point.y_ends or ()) for point in points if point.is_labelled]
    x = logit_axis([*(p.x for p in points), *(v for across, _ in ends for v in across)], _WIDTH)
    y = logit_axis([*(p.y for p in points), *(v for _, up in ends for v in up)], _HEIGHT)
    channels = _channel("x", x, groups[0]), _channel("y", y, groups[1])
    line = {
        "data": {
            "values": [
                {
                    "x": rounded(logit(within.value, within.samples)),
                    "y": rounded(logit(shifted.value, shifted.samples)),
                    "order": i,
                }
                for i, (within, shifted) in enumerate(curve)
            ]
        },
        "mark": {"type": "line", "style": "reference", "strokeWidth": 2, "strokeDash": [], "interpolate": "monotone"},
        "encoding": {"x": channels[0], "y": channels[1], "order": {"field": "order", "type": "quantitative"}},
    }
    drawn = layers(points, x, y, channels)
    return {"width": _WIDTH, "height": _HEIGHT, "layer": [*([line] if len(curve) > 1 else []), *drawn]}


def _point(pair: Pair, groups: tuple[str, str]) -> Point:
    facts = [
        (title, percent_with_interval(share.value, share.low, share.high))
        for title, share in zip(groups, (pair.within, pair.shifted), strict=True)
    ]
    return Point(
        method=pair.method,
        x=logit(pair.within.value, pair.within.samples),
        y=logit(pair.shifted.value, pair.shifted.samples),
        x_ends=pair.within.logits,
        y_ends=pair.shifted.logits,
        facts=tuple(facts),
        is_labelled=pair.is_labelled,
    )


def _channel(field: str, axis: Axis, title: str) -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [rounded(axis.low), rounded(axis.high)], "zero": False, "nice": False},
        "axis": {"values": [rounded(tick) for tick in axis.ticks], "labelExpr": PERCENT_OF_LOGIT, "labelFlush": False},
    }
