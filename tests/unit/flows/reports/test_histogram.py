"""The picture of coefficients: well formed, bars where the samples are, a line for each model's distribution."""

import base64
from xml.etree import ElementTree

import numpy as np

from flows.reports.histogram import as_image, histogram

SVG = "{http://www.w3.org/2000/svg}"


def test_two_models_are_one_histogram_and_one_density():
    """λ of 0.25 alone: one bar, a quarter of the way; the density's peak is at the component's mode."""
    coefficients = np.tile([0.75, 0.25], (50, 1))
    root = ElementTree.fromstring(histogram(coefficients, np.array([1.0]), np.array([[61.0, 21.0]])))
    bars = root.findall(f"{SVG}g/{SVG}rect")
    assert len(bars) == 1
    assert float(bars[0].get("x")) / 480 == 0.25
    points = [tuple(map(float, p.split(","))) for p in root.find(f"{SVG}polyline").get("points").split()]
    assert abs(min(points, key=lambda point: point[1])[0] / 480 - 0.25) < 0.02


def test_many_models_are_drawn_each():
    """In a color that the legend names; without a mixture there are no lines. Below is the axis."""
    coefficients = np.random.default_rng(0).dirichlet([1, 2, 3], 100)
    root = ElementTree.fromstring(histogram(coefficients, names=["a", "b<", "c"]))
    said = {text.text: text.get("fill") for text in root.findall(f"{SVG}text")}
    assert list(said) == ["0", "0.25", "0.5", "0.75", "1", "a", "b<", "c"]
    assert [said[name] for name in ("a", "b<", "c")] == [group.get("fill") for group in root.findall(f"{SVG}g")]
    assert len(root.findall(f"{SVG}g")) == 3
    assert not root.findall(f"{SVG}polyline")


def test_markdown_holds_the_picture_itself():
    """No file, no address."""
    shown = as_image("<svg/>", "shares")
    assert shown.startswith("![shares](data:image/svg+xml;base64,")
    assert base64.b64decode(shown.partition("base64,")[2][:-1]) == b"<svg/>"
