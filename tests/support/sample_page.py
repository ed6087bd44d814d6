"""A page with every kind of part, made up, and with names that try to break out of it."""

import io

import numpy as np
from PIL import Image

from flows.pages.parts import (
    Cell,
    Chart,
    Choice,
    Code,
    Column,
    Facts,
    Gallery,
    Line,
    Note,
    Option,
    Page,
    Picture,
    Section,
    Table,
)

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\">${`'&"

_VALUES = {
    "individual/base": 61.25,
    "wise-ft/0.50": 83.5,
    "dawin/clusters-3": 84.1,
    "oracle/samples": 91.0,
    HOSTILE: 7.5,
}


def table(rows=5, extra=0):
    """Methods with accuracies, intervals, marks and a value that does not exist; `extra` more columns."""
    columns = (
        Column(name="method", help="The name of the method, as `dawin results` shows it."),
        Column(name="clean", kind="number", unit="%", better="higher", digits=1, help="Top-1 accuracy."),
        Column(name="difference", kind="number", digits=1),
        Column(name="seconds", kind="number", better="lower"),
        *(Column(name=f"set {i}", kind="number", unit="%") for i in range(extra)),
    )
    marks = {"dawin/clusters-3": "best", "wise-ft/0.50": "tied"}
    lines = []
    for i in range(rows):
        name = list(_VALUES)[i % len(_VALUES)]
        value = _VALUES[name]
        accuracy = Cell(text=f"{value:.1f}", value=value, mark=marks.get(name), low=value - 1, high=value + 1)
        difference = Cell(text=f"{value - 61.25:+.1f}".replace("-", "−"), value=value - 61.25, low=-1.0, high=2.5)
        seconds = Cell(text="12.5 s", value=12.5, title="Measured on one core.") if i % 2 else Cell(text="")
        more = [Cell(text=f"{value + k / 7:.1f}", value=value + k / 7) for k in range(extra)]
        detail = "uses labels" if name.startswith("oracle") else ""
        lines.append((Cell(text=name, detail=detail), accuracy, difference, seconds, *more))
    return Table(caption="Top-1 accuracy", columns=columns, rows=tuple(lines), highlighted=frozenset({2}))


def chart(title="Accuracy against cost"):
    """A scatter plot with a line, names beside the points and a legend."""
    rows = [{"method": name, "accuracy": v, "cost": 1 + i} for i, (name, v) in enumerate(_VALUES.items())]
    cost = {"field": "cost", "type": "quantitative", "title": "forward passes a sample"}
    accuracy = {"field": "accuracy", "type": "quantitative", "title": "top-1 accuracy, %"}
    colour = {"field": "method", "type": "nominal", "legend": {"orient": "bottom", "columns": 2}}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": 640,
        "height": 320,
        "data": {"values": rows},
        "layer": [
            {"mark": {"type": "line", "style": "reference"}, "encoding": {"x": cost, "y": accuracy}},
            {
                "mark": {"type": "point", "filled": True, "size": 90, "tooltip": {"content": "data"}},
                "encoding": {"x": cost, "y": accuracy, "color": colour},
            },
            {
                "mark": {"type": "text", "style": "label", "align": "left", "dx": 9, "limit": 120},
                "encoding": {"x": cost, "y": accuracy, "text": {"field": "method"}},
            },
        ],
    }
    return Chart(title=title, description="Accuracy rises with cost. `base` is lowest.", spec=spec, table=table())


def picture(i, size=28):
    """A picture of noise, with three lines below."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(i).integers(0, 255, (size, size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    lines = (Line(label="base", text="seven 0.91", mark="wrong"), Line(label="merged", text="one 0.55", mark="right"))
    return Picture(
        content=buffer.getvalue(),
        media_type="image/png",
        width=size,
        height=size,
        alternative=f"Sample {i} of the class one",
        caption=f"`{i:05d}.png` {HOSTILE if i == 2 else ''}",
        lines=lines,
    )


def page():
    """A page with every kind of part."""
    measures = tuple(Option(title=f"Measure {i}", parts=(chart(f"Measure {i} over time"),)) for i in (1, 2))
    many = tuple(Option(title=f"Data set {i} {HOSTILE}", parts=(Facts(pairs=(("n", str(i)),)),)) for i in range(8))
    return Page(
        title=f"A page {HOSTILE}",
        subtitle="Every part of it is made up",
        footer="Made by a test.",
        sections=(
            Section(
                id="results",
                title="Results",
                words=("The **best** method is `dawin/clusters-3`.", f"Another one is {HOSTILE}."),
                parts=(table(), Note(text="A sentence."), Note(text=f"Beware of `{HOSTILE}`.", kind="warning")),
            ),
            Section(id="cost", title="Accuracy against cost", parts=(chart(), table(30, 14))),
            Section(
                id="choices",
                title="Choices",
                parts=(Choice(label="Metric", options=measures), Choice(label="Data set", options=many)),
            ),
            Section(
                id="samples",
                title="Samples",
                parts=(Gallery(title="Won", pictures=tuple(map(picture, range(9)))),),
            ),
            Section(
                id="provenance",
                title="Provenance",
                parts=(
                    Facts(pairs=(("run", "r0123456789abcdef"), ("store", "file:///" + "long/" * 30), ("n", "1,797"))),
                    Code(text="dawin run digits.yaml --store ./dawin-store " + "--set a=b " * 20, title="Run it again"),
                    Code(text=f"name: digits\n# {HOSTILE}\n" * 8, title="Settings", is_folded=True),
                ),
            ),
        ),
    )
