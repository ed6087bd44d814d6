"""Places of labels."""

import itertools

import numpy as np
import pytest

from flows.pages.charts.label_places import places

WIDTH, HEIGHT = 780, 460


def box(place, text):
    """Left, top, right and bottom of a drawn label."""
    width = 6.3 * len(text)
    left = {"left": place.x, "right": place.x - width, "center": place.x - width / 2}[place.align]
    return left, place.y - 6.5, left + width, place.y + 6.5


def overlap(one, other):
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


@pytest.mark.parametrize("seed", range(5))
def test_labels_hide_neither_labels_nor_points_and_are_not_cut(seed):
    """Twelve labels of a crowded plot stay apart, inside the plot, and beside the points."""
    random = np.random.default_rng(seed)
    drawn = np.clip(random.normal((390, 230), (120, 90), (12, 2)), 10, (WIDTH - 10, HEIGHT - 10))
    points = [(float(x), float(y)) for x, y in drawn]
    names = [f"method-{'x' * (i % 5)}/{i}" for i in range(12)]
    boxes = [box(place, name) for place, name in zip(places(points, names, (WIDTH, HEIGHT)), names, strict=True)]
    assert not [1 for one, other in itertools.combinations(boxes, 2) if overlap(one, other)]
    assert not [1 for one in boxes for x, y in points if overlap(one, (x - 5, y - 5, x + 5, y + 5))]
    assert all(left >= 0 and top >= 0 and right <= WIDTH and bottom <= HEIGHT for left, top, right, bottom in boxes)


def test_a_label_at_the_right_edge_stands_on_the_left():
    """A label that would be cut goes to the other side."""
    assert places([(WIDTH - 5, 100)], ["dawin/samples"], (WIDTH, HEIGHT))[0].align == "right"


def test_equal_points_have_different_places():
    """Two methods with the same numbers have two readable labels, the further one with a line."""
    found = places([(300, 200)] * 6, ["individual/base"] * 6, (WIDTH, HEIGHT))
    assert len({(place.x, place.y) for place in found}) == 6
    assert any(place.has_leader for place in found)


def test_points_and_labels_must_be_as_many():
    """A missing label is an error, not a plot that names the wrong point."""
    with pytest.raises(ValueError, match="zip"):
        places([(1, 1), (2, 2)], ["one"], (WIDTH, HEIGHT))
