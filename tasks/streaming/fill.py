"""The one loop that fills per-sample tables: what lacks is found, computed in one pass over the samples, committed.

It holds a few batches and one unfinished object per table, whatever the data set's size; it can be killed anywhere,
and the next run goes on from the last committed object.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from storage.soundness import missing_spans
from storage.spans import Span
from storage.store import Store
from tasks.progress import work
from tasks.streaming.sinks import Batch_contra, Sink
from tasks.streaming.writer import BackgroundWriter


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
        sinks: the tables; one may use what was computed for those before it.
        spans: what a complete table covers, in order.
        source: gives the batches of the spans it is asked for, span by span, within a span in any order.
        description: of the work, for whoever watches.
        run: recorded in the manifests.
    """
    lacking = {sink.prefix: set(missing_spans(store, sink.prefix, list(spans))) for sink in sinks}
    needed = [span for span in spans if any(span in lacks for lacks in lacking.values())]
    wanted = sum(span.length for span in spans) * len(sinks)
    computed = sum(span.length for lacks in lacking.values() for span in lacks)
    if needed:
        with work(description, computed) as progress, BackgroundWriter(store, run) as scribe:
            for batch in source(needed):
                results: dict[str, Any] = {}
                for sink in sinks:
                    if batch.span in lacking[sink.prefix]:
                        results[sink.prefix] = sink.compute(batch, results)
                        scribe.write(sink, batch, results[sink.prefix])
                        progress.advance(len(batch.sample_index))
    return Tally(computed, wanted - computed)
