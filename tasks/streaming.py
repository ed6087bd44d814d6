"""The one loop that fills per-sample tables: what lacks is found, computed in one pass over the samples, committed.

It holds a batch and one unfinished object per table, whatever the data set's size; it can be killed anywhere, and
the next run goes on from the last committed object.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from storage import keys
from storage.manifests import missing_ranges
from storage.schemas import TableSchema
from storage.store import Store
from storage.tables import Columns, TableWriter
from tasks.numerics.checks import Floats
from tasks.numerics.scoring import score
from tasks.progress import work

Span = tuple[int, int]
"""A range of samples, `stop` excluded."""


class Samples(Protocol):
    """A batch: consecutive samples of one span, with whatever columns are computed from."""

    @property
    def span(self) -> Span:
        """The span that the batch is part of."""

    @property
    def sample_index(self) -> NDArray[np.int64]:
        """The samples' places in the data set."""


Batch_contra = TypeVar("Batch_contra", bound=Samples, contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Sink(Generic[Batch_contra]):
    """A table to fill."""

    prefix: str
    schema: TableSchema
    identity: Mapping[str, Any]
    compute: Callable[[Batch_contra], Columns]
    """From a batch to the table's columns, the sample index left out."""
    widths: Mapping[str, int] = field(default_factory=dict)


class Tally(NamedTuple):
    """Samples × tables that were computed, and that were there already."""

    computed: int
    reused: int


def fill(
    store: Store,
    sinks: Sequence[Sink[Batch_contra]],
    spans: Sequence[Span],
    source: Callable[[list[Span]], Iterator[Batch_contra]],
    *,
    description: str,
    run: str | None = None,
) -> Tally:
    """Compute what the tables lack of the spans, in one pass.

    Args:
        store: where the tables are.
        sinks: the tables.
        spans: what a complete table covers, in order.
        source: gives the batches of the spans it is asked for, in order.
        description: of the work, for whoever watches.
        run: recorded in the manifests.
    """
    lacking = {sink.prefix: set(missing_ranges(store, sink.prefix, list(spans))) for sink in sinks}
    needed = [span for span in spans if any(span in lacks for lacks in lacking.values())]
    wanted = sum(_length(span) for span in spans) * len(sinks)
    computed = sum(_length(span) for lacks in lacking.values() for span in lacks)
    writers: dict[str, TableWriter] = {}
    if needed:
        with work(description, sum(map(_length, needed))) as progress:
            for batch in source(needed):
                for sink in sinks:
                    if batch.span in lacking[sink.prefix]:
                        _append(store, sink, batch, writers, run)
                progress.advance(len(batch.sample_index))
    return Tally(computed, wanted - computed)


def scored(log_p: Floats, labels: NDArray[np.int32]) -> Columns:
    """Return the columns that every table of predictions has: what `score` says, null where there is no label."""
    scores, unknown = score(log_p, labels), labels < 0
    return {
        "label": _masked(labels, unknown),
        "prediction": scores.prediction,
        "label_rank": _masked(scores.label_rank, unknown),
        "loss": _masked(scores.loss, unknown),
        "entropy": scores.entropy,
    }


def _masked(values: NDArray[Any], unknown: NDArray[np.bool_]) -> Any:  # noqa: ANN401  numpy's masked array has no useful type
    return np.ma.masked_array(values, mask=unknown) if unknown.any() else values


def _append(
    store: Store, sink: Sink[Batch_contra], batch: Batch_contra, writers: dict[str, TableWriter], run: str | None
) -> None:
    key = keys.samples(sink.prefix, *batch.span)
    if key not in writers:
        writers[key] = TableWriter(store, key, sink.schema, identity=sink.identity, widths=sink.widths, run=run)
    writers[key].append({"sample_index": batch.sample_index, **sink.compute(batch)})
    if batch.sample_index[-1] == batch.span[1] - 1:
        writers.pop(key).commit()


def _length(span: Span) -> int:
    return span[1] - span[0]
