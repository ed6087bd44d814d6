"""Places of labels beside points, so that no label hides another label or a point."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

_CHARACTER = 6.3  # pixels of a character, of a sans-serif font of 11 pixels
_HEIGHT = 13.0
_POINT = 7.0  # half the side of the square that a point takes
_RADII = (9.0, 16.0, 26.0, 38.0, 54.0)
_DIRECTIONS = ((1, 0), (-1, 0), (0.7, -0.8), (0.7, 0.8), (-0.7, -0.8), (-0.7, 0.8), (0, -1.1), (0, 1.1))
_DISTANCE = 0.6  # cost of a pixel of distance, in square pixels that a label hides
_STROKE = 0.2  # cost of hiding a line, in the same unit
_LEADER = 16.0  # pixels of distance from which on a line leads from a point to its label


class Place(NamedTuple):
    """The place of a label, pixels from the left and the upper edge of the plot."""

    x: float
    y: float
    align: Literal["left", "right", "center"]
    has_leader: bool
    """Whether a line leads from the point to the label."""


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "_Box") -> float:
        """Return the area that two boxes share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)


def places(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    size: tuple[int, int],
    others: Sequence[tuple[float, float]] = (),
    strokes: Sequence[tuple[float, float, float, float]] = (),
) -> list[Place]:
    """Return a place for the label of each point, inside the plot.

    Labels are placed in order: the first free place near the point, or the place that hides least.

    Args:
        points: of the labels, pixels from the left and the upper edge.
        texts: the labels.
        size: width and height of the plot, pixels.
        others: further points, which have no label.
        strokes: left, top, right and bottom of lines that labels avoid if they can.

    Example:
        >>> [place.align for place in places([(50, 50), (60, 50)], ["one", "two"], (200, 100))]
        ['right', 'left']
    """
    taken = [_Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in (*points, *others)]
    thin = [_Box(*stroke) for stroke in strokes]
    found = []
    for point, text in zip(points, texts, strict=True):
        ways = [(radius, way) for radius in _RADII for way in _DIRECTIONS]
        candidates = [_candidate(point, text, radius, way) for radius, way in ways]
        costs = [
            _cost(radius, box, size, taken) + _STROKE * _hidden(box, thin)
            for (radius, _), (_, box) in zip(ways, candidates, strict=True)
        ]
        place, box = candidates[costs.index(min(costs))]
        taken.append(box)
        found.append(place)
    return found


def _candidate(point: tuple[float, float], text: str, radius: float, way: tuple[float, float]) -> tuple[Place, _Box]:
    x, y = point[0] + radius * way[0], point[1] + radius * way[1]
    width = _CHARACTER * len(text)
    align: Literal["left", "right", "center"] = "left" if way[0] > 0 else "right" if way[0] < 0 else "center"
    left = {"left": x, "right": x - width, "center": x - width / 2}[align]
    box = _Box(left, y - _HEIGHT / 2, left + width, y + _HEIGHT / 2)
    return Place(x, y, align, radius > _LEADER), box


def _cost(radius: float, box: _Box, size: tuple[int, int], taken: Sequence[_Box]) -> float:
    """Return the area that a label would hide or that would be cut off, and a little for its distance."""
    inside = _Box(0, 0, *size).overlap(box)
    cut = (box.right - box.left) * (box.bottom - box.top) - inside
    return 10 * max(cut, 0.0) + _hidden(box, taken) + _DISTANCE * radius


def _hidden(box: _Box, taken: Sequence[_Box]) -> float:
    return sum(box.overlap(other) for other in taken)
