"""Reliability of the base, of the fine-tuned model and of the merge."""

from collections.abc import Sequence

import numpy as np

from flows.pages.charts.reliability import BINS, Diagram, reliability, together
from flows.pages.figures import percent
from flows.pages.parts import Cell, Chart, Choice, Column, Option, Part, Section, Table
from flows.pages.run_data import RunData
from flows.pages.sample_facts import SampleFacts, compared_with


def calibration(run: RunData, facts: Sequence[SampleFacts], merge: str | None) -> Section | None:
    """Return the section; None without labels.

    Args:
        run: the run.
        facts: the data sets.
        merge: the method of DaWin that the report looks at.
    """
    labelled = [one for one in facts if one.bins]
    options = [
        Option(title=one.dataset, parts=(_chart(one.dataset, diagrams),))
        for one in labelled
        if (diagrams := _diagrams(run, [one], merge))
    ]
    if not options:
        return None
    if len(options) > 1 and (pooled := _diagrams(run, labelled, merge)):
        options.insert(0, Option(title="all data sets", parts=(_chart("all data sets", pooled),)))
    parts: tuple[Part, ...] = (
        options[0].parts if len(options) == 1 else (Choice(label="Data set", options=tuple(options)),)
    )
    words = (
        "Samples are put into 15 bins by the confidence of the prediction. A method whose confidence can be believed "
        "has its points on the diagonal; below it, the method is too sure. The bars below show how many samples each "
        "bin has. The calibration error is the mean distance from the diagonal, over samples.",
    )
    return Section(id="calibration", title="Calibration", words=words, parts=parts)


def _diagrams(run: RunData, facts: Sequence[SampleFacts], merge: str | None) -> list[Diagram]:
    """Return the diagrams of one or several data sets: the base, the fine-tuned model, the merge."""
    if len(run.models) <= 2 or len(facts) == 1:
        models = compared_with(run, facts[0].dataset)[::-1]
    else:
        models = [name for name in (run.base, run.reference) if name]
    methods = [*models, *([merge] if merge else [])]
    return [
        Diagram(method, together([one.bins[method] for one in facts]))
        for method in methods
        if all(method in one.bins for one in facts)
    ]


def _chart(dataset: str, diagrams: Sequence[Diagram]) -> Chart:
    errors = "; ".join(f"{one.method}: calibration error {percent(one.bins.error)}" for one in diagrams)
    return Chart(
        title=f"Reliability on {dataset}",
        description=f"Accuracy against confidence in 15 bins, one diagram for each method. {errors}.",
        spec=reliability(diagrams),
        table=_table(dataset, diagrams),
    )


def _table(dataset: str, diagrams: Sequence[Diagram]) -> Table:
    columns = [Column(name="confidence")]
    for one in diagrams:
        columns += [
            Column(name=f"{one.method}: accuracy", kind="number", unit="%"),
            Column(name=f"{one.method}: samples", kind="number"),
        ]
    rows = []
    for i in range(BINS):
        cells = [Cell(text=f"{100 * i / BINS:.3g} to {100 * (i + 1) / BINS:.3g} %", value=float(i))]
        for one in diagrams:
            count = float(one.bins.samples[i])
            share = 100 * float(one.bins.right[i]) / count if count else None
            cells.append(Cell(text="") if share is None else Cell(text=f"{share:.3g}", value=share))
            cells.append(Cell(text=f"{int(count):,}", value=count))
        if any(np.asarray([one.bins.samples[i] for one in diagrams])):
            rows.append(tuple(cells))
    return Table(caption=f"Accuracy by confidence on {dataset}", columns=tuple(columns), rows=tuple(rows))
