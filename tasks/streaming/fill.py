"""The one loop that fills per-sample tables: it finds the missing spans, computes them in one pass, and commits them.

It holds a few batches and one unfinished object per table, whatever the data set's size. It can be killed anywhere: the
next run continues after the last committed object.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

from storage.soundness import missing_spans
from storage.spans import Span
from storage.store import Store
from tasks.progress import work
from tasks.streaming.sinks import Batch_contra, Sink
from tasks.streaming.writer import BackgroundWriter

log = logging.getLogger("dawin.pass")

PASSES = "images × models"
"""The unit of the progress of a pass: a model's outputs, or a merge's predictions, on an image."""


class Tally(NamedTuple):
    """Counts of samples × tables: computed by the task, and already in the store."""

    computed: int
    reused: int


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the sums of tallies.

    Args:
        tallies: of several passes.

    Example:
        >>> total([Tally(1, 2), Tally(3, 4)])
        Tally(computed=4, reused=6)
    """
    each = list(tallies)
    return Tally(sum(one.computed for one in each), sum(one.reused for one in each))


def fill(
    store: Store,
    sinks: Sequence[Sink[Batch_contra]],
    spans: Sequence[Span],
    source: Callable[[list[Span]], Iterator[Batch_contra]],
    *,
    description: str,
    stage: str | None = None,
    run: str | None = None,
) -> Tally:
    """Compute the missing spans of tables in one pass over the samples.

    Args:
        store: holds the tables.
        sinks: the tables; one may use the results of those before it.
        spans: the spans that a complete table covers, in order.
        source: yields the batches of given spans, span by span, within a span in any order.
        description: of the pass, for progress.
        stage: the part of the run that the pass belongs to, for progress.
        run: id of the flow run, recorded in the manifests.
    """
    missing = {sink.prefix: set(missing_spans(store, sink.prefix, list(spans), vectors=sink.vectors)) for sink in sinks}
    needed = [span for span in spans if any(span in of_table for of_table in missing.values())]
    wanted = sum(span.length for span in spans) * len(sinks)
    computed = sum(span.length for of_table in missing.values() for span in of_table)
    began = monotonic()
    if needed:
        with work(description, computed, stage=stage, unit=PASSES) as progress, BackgroundWriter(store, run) as writer:
            for batch in source(needed):
                results: dict[str, Any] = {}
                for sink in sinks:
                    if batch.span in missing[sink.prefix]:
                        own = sink.needs(batch, results)
                        started = monotonic()
                        results[sink.prefix] = sink.compute(batch, own)
                        writer.write(sink, batch, results[sink.prefix], monotonic() - started)
                        progress.advance(len(batch.sample_index))
        seconds = monotonic() - began
        rate = computed / max(seconds, 1e-3)
        log.info("%s: %d predictions in %.1f s, %.0f a second", description, computed, seconds, rate)
    return Tally(computed, wanted - computed)
