"""The scatters of methods."""

import drawn
import pytest

from flows.pages.charts.against_cost import against_cost
from flows.pages.charts.against_shift import Pair, Share, against_shift
from flows.pages.charts.labelled_points import Point

TITLES = ("accuracy on clean", "mean accuracy on the 5 ood data sets")


def share(value, samples=1000):
    return Share(value, value - 0.01, min(value + 0.01, 1.0), samples)


METHODS = {
    "individual/zeroshot": (0.88, 0.71, True),
    "individual/finetuned": (0.96, 0.68, True),
    "wise-ft/0.30": (0.92, 0.74, False),
    "wise-ft/0.50": (0.94, 0.75, True),
    "output-ensemble/dynamic": (0.957, 0.744, True),
    "oracle/samples": (1.0, 0.84, True),
    "dawin/samples": (0.959, 0.78, True),
}
PAIRS = [Pair(name, share(x), share(y), label) for name, (x, y, label) in METHODS.items()]


def values_of(spec):
    """All rows of data of a chart, layer by layer."""
    return [layer["data"]["values"] for layer in spec["layer"]]


def test_every_method_is_drawn_and_only_the_chosen_ones_are_named():
    """The scatter shows each method as one point, the labels of the short table, and a legend of the kinds."""
    spec = against_shift(PAIRS, [], TITLES)
    points = next(rows for rows in values_of(spec) if rows and "size" in rows[0])
    assert sorted(row["method"] for row in points) == sorted(METHODS)
    found = drawn.texts(spec)
    assert {name for name in METHODS if name in found} == {name for name, (_, _, label) in METHODS.items() if label}
    assert {"DaWin", "individual model", "one merged model", "output ensemble", "reference"} <= set(found)
    assert set(TITLES) <= set(found)


def test_the_curve_follows_the_order_of_the_coefficients():
    """The line joins the interpolations as given, also where it turns back."""
    curve = [(share(x), share(y)) for x, y in [(0.88, 0.71), (0.93, 0.76), (0.96, 0.68)]]
    rows = values_of(against_shift(PAIRS, curve, TITLES))[0]
    assert [row["order"] for row in rows] == [0, 1, 2]
    assert rows[0]["x"] < rows[1]["x"] < rows[2]["x"]
    assert rows[1]["y"] > rows[0]["y"] > rows[2]["y"]


def test_equal_steps_of_the_odds_are_equal_distances():
    """From 50 to 90 % is as far as from 90 to about 98.8 %: both multiply the odds by nine."""
    pairs = [Pair(f"wise-ft/0.{i}0", share(x, 10**6), share(0.5), True) for i, x in enumerate((0.5, 0.9, 81 / 82))]
    rows = {row["method"]: row["x"] for row in values_of(against_shift(pairs, [], TITLES))[2]}
    steps = [rows[f"wise-ft/0.{i}0"] for i in range(3)]
    assert steps[1] - steps[0] == pytest.approx(steps[2] - steps[1], rel=1e-3)


def test_numbers_for_readers_have_three_digits():
    """Tooltips show accuracies with their intervals, never twelve digits."""
    points = next(rows for rows in values_of(against_shift(PAIRS, [], TITLES)) if rows and "size" in rows[0])
    assert {row["fact_0"].replace("\u00a0", " ") for row in points if row["method"] == "wise-ft/0.50"} == {
        "94.0 % (93.0 to 95.0)"
    }


def test_cost_has_round_ticks_on_a_logarithmic_scale():
    """One and two forward passes are as far apart as two and four, and ticks are at whole numbers."""
    places = {"individual/a": (0.0, 70.0), "output-ensemble/uniform": (0.30103, 75.0), "dawin/samples": (0.60206, 80.0)}
    points = [
        Point(method=name, x=x, y=y, y_ends=(y - 1, y + 1), facts=(("accuracy", f"{y} %"),))
        for name, (x, y) in places.items()
    ]
    spec = against_cost(points, "accuracy")
    assert drawn.themed(spec)
    found = drawn.texts(spec)
    assert {"1", "2", "3", "4"} <= set(found)
    assert "dawin/samples" in found


def test_colours_of_text_are_the_frames():
    """The specification sets no colour of background or text and no font."""
    assert drawn.themed(against_shift(PAIRS, [], TITLES))
