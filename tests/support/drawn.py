"""Charts drawn as SVG by the library that the pages use."""

import json
import re

import vl_convert

COLORS = re.compile(r'"(background|fill|stroke|labelColor|titleColor|gridColor|font)":')


def svg(spec):
    """Return a chart as SVG; a specification that Vega cannot draw is an error, and so is one that is no JSON."""
    text = json.dumps(spec, allow_nan=False)
    return vl_convert.vegalite_to_svg(json.loads(text), allowed_base_urls=[])


def texts(spec):
    """Return the texts of a drawn chart, with common spaces."""
    return [text.replace("\u00a0", " ") for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg(spec))]


def themed(spec):
    """Return whether a specification leaves colours of background and text, and fonts, to the frame."""
    return not COLORS.search(json.dumps(spec))
