"""The picture of coefficients: valid SVG, bars at the coefficients, one line for the density of each model."""

import base64
from xml.etree import ElementTree

import numpy as np

from flows.reports.histogram import as_image, histogram

SVG = "{http://www.w3.org/2000/svg}"


def test_two_models_are_one_histogram_and_one_density():
    """Coefficients of 0.25 are one bar at a quarter of the width; the density peaks at the mode of the component."""
    coefficients = np.tile([0.75, 0.25], (50, 1))
    root = ElementTree.fromstring(histogram([coefficients], np.array([1.0]), np.array([[61.0, 21.0]])))
    bars = root.findall(f"{SVG}g/{SVG}rect")
    assert len(bars) == 1
    assert float(bars[0].get("x")) / 480 == 0.25
    points = [tuple(map(float, p.split(","))) for p in root.find(f"{SVG}polyline").get("points").split()]
    assert abs(min(points, key=lambda point: point[1])[0] / 480 - 0.25) < 0.02


def test_each_of_many_models_has_a_histogram():
    """Its color is that of its name in the legend; without a mixture no line is drawn; the axis has five labels."""
    coefficients = np.random.default_rng(0).dirichlet([1, 2, 3], 100)
    root = ElementTree.fromstring(histogram([coefficients], names=["a", "b<", "c"]))
    labels = {text.text: text.get("fill") for text in root.findall(f"{SVG}text")}
    assert list(labels) == ["0", "0.25", "0.5", "0.75", "1", "a", "b<", "c"]
    assert [labels[name] for name in ("a", "b<", "c")] == [group.get("fill") for group in root.findall(f"{SVG}g")]
    assert len(root.findall(f"{SVG}g")) == 3
    assert not root.findall(f"{SVG}polyline")


def test_markdown_holds_the_picture_itself():
    """The Markdown is an image with a data address, which needs no file."""
    shown = as_image("<svg/>", "shares")
    assert shown.startswith("![shares](data:image/svg+xml;base64,")
    assert base64.b64decode(shown.partition("base64,")[2][:-1]) == b"<svg/>"
