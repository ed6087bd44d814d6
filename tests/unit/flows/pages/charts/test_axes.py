"""Logit-scaled axes."""

import numpy as np
import pytest

from flows.pages.charts.axes import Axis, logit, logit_axis, percent_axis, share_of


def test_the_logit_and_the_share_undo_one_another():
    """share_of(logit(p)) is p for every share that is not at an end."""
    shares = np.linspace(0.01, 0.99, 50)
    assert [share_of(logit(share, 10**9)) for share in shares] == pytest.approx(shares)


def test_the_ends_are_half_a_sample_away():
    """A method that is always or never right is drawn at a finite place."""
    assert share_of(logit(1.0, 100)) == pytest.approx(0.995)
    assert share_of(logit(0.0, 100)) == pytest.approx(0.005)


@pytest.mark.parametrize(
    "shares", [(0.3, 0.95), (0.88, 0.97), (0.701, 0.712), (0.5, 0.5), (0.001, 0.999), (0.9991, 0.9997)]
)
def test_ticks_are_inside_apart_and_round(shares):
    """An axis has ticks at round percentages, inside its range, and far enough apart for their labels."""
    axis = logit_axis([logit(share, 10**6) for share in shares], 400)
    pixels = [axis.pixel(tick) for tick in axis.ticks]
    assert 1 <= len(pixels) <= 10
    assert all(0 <= pixel <= 400 for pixel in pixels)
    assert all(np.diff(pixels) >= 46)
    percentages = [100 * share_of(tick) for tick in axis.ticks]
    assert all(abs(p * 100 - round(p * 100)) < 1e-6 for p in percentages)


def test_pixels_and_values_undo_one_another():
    """A label that is placed in pixels is drawn at the same place in the units of the axis."""
    axis = Axis(-1.0, 3.0, 200)
    assert axis.value(axis.pixel(0.7)) == pytest.approx(0.7)


def test_a_linear_axis_shows_all_values():
    """All percentages lie inside the axis, also where they are equal."""
    for values in ([50.0, 60.0], [99.0, 99.0]):
        axis = percent_axis(values, 300)
        assert axis.low < min(values)
        assert max(values) < axis.high


def test_an_axis_of_nothing_is_refused():
    """No values, no axis."""
    with pytest.raises(ValueError, match="empty"):
        logit_axis([], 400)
