"""Accuracy against cost."""

from math import log10
from typing import NamedTuple

import numpy as np

from flows.pages.charts.against_cost import against_cost
from flows.pages.charts.labelled_points import Point
from flows.pages.figures import figure, percent_with_interval
from flows.pages.parts import Cell, Chart, Column, Part, Section, Table
from flows.pages.run_data import RunData
from flows.pages.shown_methods import short_methods
from flows.reports.tables import IS_MEAN


def costs(run: RunData) -> Section | None:
    """Return the section; None for a run without any row."""
    found = {method: _cost(run, method) for method in run.methods}
    if not found:
        return None
    parts: list[Part] = []
    if chart := _chart(run, found):
        parts.append(chart)
    parts.append(_table(run, found))
    words = (
        "A forward pass is one image through one model, however large; it takes nearly all of a method's time. Passes "
        "whose results are shared are counted for each method that needs them. Extra parameters are those to keep "
        "beside one model's.",
    )
    return Section(id="cost", title="Accuracy and cost" if run.whole else "Cost", words=words, parts=tuple(parts))


class Cost(NamedTuple):
    """The cost of a method over all data sets."""

    passes: float
    """Forward passes of one model for each sample."""
    merged: int
    """Sets of weights that are merged."""
    parameters: int
    """To keep beside those of one model."""
    seconds: float | None
    rate: float | None
    """Images a second."""
    devices: tuple[str, ...]


def _cost(run: RunData, method: str) -> Cost:
    rows = run.rows.filter(~IS_MEAN, method=method).unique("dataset", keep="first", maintain_order=True)
    samples, merged = rows["samples"].to_numpy().astype(np.float64), rows["merged_models"].to_numpy()
    extra = int(rows["extra_parameters"].to_numpy().max(initial=0))  # a method of one model merges it once for all sets
    whole = max(float(samples.sum()), 1.0)
    seconds, rates = rows["seconds"], rows["images_per_second"]
    return Cost(
        passes=float(rows["forward_passes"].to_numpy() @ samples) / whole,
        merged=int(merged.sum() if extra else merged.max(initial=0)),
        parameters=extra,
        seconds=None if seconds.null_count() else float(seconds.to_numpy().sum()),
        rate=None if rates.null_count() else whole / float((samples / rates.to_numpy()).sum()),
        devices=tuple(sorted(set(rows["device"].drop_nulls()))),
    )


def _chart(run: RunData, found: dict[str, Cost]) -> Chart | None:
    labelled, points = short_methods(run) if run.whole else [], []
    for method, cost in found.items():
        accuracy = run.overall(method)
        if accuracy is None or cost.passes <= 0:
            continue
        ends = (accuracy.low, accuracy.high)
        facts = (
            ("accuracy", percent_with_interval(*accuracy[:3])),
            ("forward passes a sample", figure(cost.passes)),
            ("merged models", f"{cost.merged:,}"),
        )
        points.append(
            Point(
                method=method,
                x=log10(cost.passes),
                y=100 * accuracy.value,
                y_ends=None if ends[0] is None or ends[1] is None else (100 * ends[0], 100 * ends[1]),
                facts=facts,
                is_labelled=method in labelled,
            )
        )
    if len(points) < 2 or run.whole is None:
        return None
    single = len(run.whole.datasets) == 1
    title = f"accuracy on {run.whole.datasets[0]}" if single else f"mean accuracy on {run.whole.words}"
    most = max(points, key=lambda point: point.x)
    return Chart(
        title="Accuracy against forward passes",
        description=(
            f"Scatter of {len(points)} methods, {title} against forward passes a sample on a logarithmic scale. "
            f"{most.method} takes the most: {dict(most.facts)['forward passes a sample']}. The table below has all "
            "numbers."
        ),
        spec=against_cost(points, title),
    )


def _table(run: RunData, found: dict[str, Cost]) -> Table:
    timed = any(cost.seconds is not None for cost in found.values())
    accuracy_column = Column(
        name="accuracy", kind="number", unit="%", better="higher", help="mean over all data sets with labels"
    )
    columns = [
        Column(name="method"),
        *([accuracy_column] if run.whole else []),
        Column(name="forward passes", kind="number", better="lower", help="of one model, for each sample"),
        Column(
            name="merged models", kind="number", better="lower", help="sets of weights that are merged, all data sets"
        ),
        Column(name="extra parameters", kind="number", better="lower", help="to keep beside those of one model"),
    ]
    if timed:
        columns += [
            Column(name="seconds", kind="number", better="lower", help="of computing, as measured, all data sets"),
            Column(name="images a second", kind="number", better="higher"),
            Column(name="device"),
        ]
    rows = []
    for method, cost in found.items():
        accuracy = run.overall(method)
        cells = [
            Cell(text=method),
            *([_number(None if accuracy is None else 100 * accuracy.value)] if run.whole else []),
            _number(cost.passes),
            Cell(text=f"{cost.merged:,}", value=float(cost.merged)),
            _number(float(cost.parameters)),
        ]
        if timed:
            cells += [_number(cost.seconds), _number(cost.rate), Cell(text=", ".join(cost.devices))]
        rows.append(tuple(cells))
    highlighted = frozenset(i for i, method in enumerate(found) if method in run.dawin)
    return Table(caption="Cost of each method", columns=tuple(columns), rows=tuple(rows), highlighted=highlighted)


def _number(value: float | None) -> Cell:
    return Cell(text="") if value is None else Cell(text=figure(value), value=value)
