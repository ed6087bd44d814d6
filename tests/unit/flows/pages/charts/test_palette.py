"""Colours of methods."""

import itertools

import pytest

from flows.pages.charts.palette import HIGH, KINDS, LOW, MIDDLE, between, kind_of
from tasks.methods.registry import METHODS


def luminance(color):
    """Relative luminance, by the definition of WCAG 2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Contrast, by the definition of WCAG 2."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#15181d"])
def test_every_colour_is_readable_on_light_and_on_dark(background):
    """Marks have a contrast of at least 3 to either background, as WCAG asks of graphics."""
    colors = [kind.color for kind in KINDS] + [LOW, MIDDLE, HIGH] + [between(i / 10) for i in range(11)]
    assert min(contrast(color, background) for color in colors) >= 3


def test_kinds_differ_in_shape_and_colour():
    """A reader who sees no colours tells the kinds by their shapes."""
    for one, other in itertools.combinations(KINDS, 2):
        assert one.shape != other.shape
        assert one.color != other.color


def test_every_family_of_the_registry_has_a_kind():
    """A family without an entry makes one merged model; DaWin is the only kind that is no baseline."""
    kinds = {name: kind_of(name) for name in METHODS}
    assert {name for name, kind in kinds.items() if kind.title == "DaWin"} == {
        name for name, method in METHODS.items() if not method.is_baseline
    }
    assert kind_of("a-method-of-somebody/0.5").title == "one merged model"
