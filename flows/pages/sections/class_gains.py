"""Classes that gain and lose most by the merge."""

from collections.abc import Sequence

from flows.pages.charts.class_changes import Change, Panel, class_changes
from flows.pages.figures import figure, points, signed
from flows.pages.parts import Cell, Chart, Choice, Column, Option, Part, Section, Table
from flows.pages.sample_facts import SampleFacts

_MOST = 8  # classes that gain, and classes that lose


def class_gains(facts: Sequence[SampleFacts], merge: str | None) -> Section | None:
    """Return the section; None without labels, or where no class changes.

    Args:
        facts: the data sets.
        merge: the method of DaWin that the report looks at.
    """
    options = []
    for one in facts:
        panels = {other: panel for other, changes in one.changes.items() if (panel := _panel(other, changes)).changes}
        if panels:
            options.append(Option(title=one.dataset, parts=(_chart(one.dataset, panels, merge or ""),)))
    if not options:
        return None
    parts: tuple[Part, ...] = (
        options[0].parts if len(options) == 1 else (Choice(label="Data set", options=tuple(options)),)
    )
    words = (
        f"The change of each class's accuracy from an individual model to `{merge}`: at most {_MOST} classes that gain "
        "and as many that lose. A class has few samples, and the extremes of many classes are partly chance.",
    )
    return Section(id="classes", title="Classes that gain and lose", words=words, parts=parts)


def _panel(other: str, changes: Sequence[Change]) -> Panel:
    gains = [change for change in changes if change.difference > 0]
    losses = [change for change in changes if change.difference < 0]
    subtitle = f"{len(gains)} of {len(changes)} classes gain, {len(losses)} lose"
    return Panel(f"against {other}", subtitle, (*gains[:_MOST], *losses[-_MOST:]))


def _chart(dataset: str, panels: dict[str, Panel], merge: str) -> Chart:
    described = []
    for other, panel in panels.items():
        first, last = panel.changes[0], panel.changes[-1]
        ends = [f"“{c.name}” {points(c.difference)}" for c in dict.fromkeys((first, last))]
        described.append(f"Against {other}: {panel.subtitle}; {' and '.join(ends)} are the extremes")
    return Chart(
        title=f"Changes by class on {dataset}",
        description=f"Bars of the change in accuracy by class, {merge}. {'. '.join(described)}.",
        spec=class_changes(list(panels.values())),
        table=Table(
            caption=f"Changes by class on {dataset}",
            columns=(
                Column(name="class"),
                Column(name="compared with"),
                Column(name="change", kind="number", unit="points", better="higher"),
                Column(name="before", kind="number", help="samples that the compared model predicts right"),
                Column(name="now", kind="number", help=f"samples that {merge} predicts right"),
                Column(name="samples", kind="number"),
            ),
            rows=tuple(
                (
                    Cell(text=change.name),
                    Cell(text=other),
                    Cell(text=signed(100 * change.difference), value=100 * change.difference),
                    *(Cell(text=figure(n), value=float(n)) for n in (change.before, change.after, change.samples)),
                )
                for other, panel in panels.items()
                for change in panel.changes
            ),
        ),
    )
