"""Which outputs need their logits: those that a missing table is computed from, other than from their columns."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from storage.spans import Span
from tasks.references.coefficients import CoefficientsReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference
from tasks.references.tables import TableReference


class Reader(NamedTuple):
    """A table that is computed from logits."""

    table: CoefficientsReference | EnsembleReference
    subject: str
    """The table in the words of an experiment."""

    @property
    def outputs(self) -> tuple[OutputsReference, ...]:
        """The outputs whose logits it reads."""
        judge = self.table.judge if isinstance(self.table, CoefficientsReference) else None
        return (*self.table.outputs, judge) if judge else self.table.outputs


def readers_of_logits(tables: Iterable[TableReference]) -> list[Reader]:
    """Return those tables that are computed from logits.

    Args:
        tables: of a plan.
    """
    found = []
    for table in tables:
        if isinstance(table, EnsembleReference):
            found.append(Reader(table, "output ensembles"))
        elif isinstance(table, CoefficientsReference) and table.needs_logits:
            own = "expertise " if table.version is None else ""
            found.append(Reader(table, f"{own}{table.expertise}"))
    return found


def touching(spans: Sequence[Span], others: Iterable[Span]) -> list[Span]:
    """Return the spans that share samples with others.

    Example:
        >>> touching([Span(0, 4), Span(4, 8)], [Span(5, 6)])
        [Span(start=4, stop=8)]
    """
    found = list(others)
    return [span for span in spans if any(one.start < span.stop and span.start < one.stop for one in found)]


def note_of(dataset: str, models: Iterable[str], subjects: Iterable[str], passes: int) -> str:
    """Return a note about outputs that are computed again for their logits.

    Example:
        >>> note_of("clean", ["base", "tuned"], ["expertise margin"], 60)
        'outputs of base and tuned on clean are stored without logits; expertise margin needs them: 60 passes again'
    """
    names, readers = list(dict.fromkeys(models)), list(dict.fromkeys(subjects))
    needs = "needs" if len(readers) == 1 and not readers[0].endswith("s") else "need"
    return (
        f"outputs of {' and '.join(names)} on {dataset} are stored without logits; {' and '.join(readers)} {needs} "
        f"them: {passes:,} passes again"
    )
