"""Sinks of a pass that evaluates merges: one table of predictions per merge, and the coefficients of each batch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.schemas import PREDICTIONS
from storage.soundness import missing_spans
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns
from tasks.datasets.loading import Batch, Order
from tasks.numerics.checks import Floats
from tasks.numerics.entropy import log_probabilities
from tasks.opening.read_coefficients import StoredCoefficients, drawn_coefficients
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.predictions import MergeReference
from tasks.streaming.local_coefficients import LocalCoefficients
from tasks.streaming.merger import Merger
from tasks.streaming.sinks import Sink, scored

CoefficientsOf = Callable[[Batch, Mapping[str, Any]], Floats]
"""From a batch, and the logits computed of it so far, to its coefficients (n, M)."""


def merge_sinks(
    merges: Sequence[MergeReference], merger: Merger, store: Store, *, beside: Sequence[MergeReference] = ()
) -> tuple[list[Sink[Batch]], Order | None]:
    """Return the sinks of merges, and the order of samples that suits them.

    Merges of few models come first: their models are the ones that stay in memory. Where samples share models in
    groups, the order goes group by group, so that each group's model runs on many samples at a time and is merged
    seldom. The order decides which samples a batch holds, and this the last bits of a matrix product. It is therefore
    that of the run's merge with the most groups, whether its predictions are missing or not: after a kill, the rest is
    computed with the same bits.

    Args:
        merges: of the same models.
        merger: runs the merged models.
        store: holds the coefficients.
        beside: further merges on the data set, which take part in the choice of the order if the store holds their
            coefficients.
    """
    grouped = {merge.prefix: merge for merge in (*merges, *beside) if _has_order(merge, store)}
    groups = {prefix: _Groups(merge, store) for prefix, merge in sorted(grouped.items())}
    count = {prefix: found.count for prefix, found in groups.items()}
    by_count = sorted(merges, key=lambda merge: count.get(merge.prefix, 1))
    sinks = [_sink(merge, _coefficients(merge, store), merger) for merge in by_count]
    finest = max(count, key=count.__getitem__, default=None)
    return sinks, None if finest is None else groups[finest].order


class _Stored:
    """The coefficients that a merge of stored coefficients gives its models, read span by span."""

    def __init__(self, merge: MergeReference, store: Store) -> None:
        assert not isinstance(merge.source, tuple)  # those have no table
        self._merge, self._read = merge, StoredCoefficients(store, merge.source)

    def __iter__(self) -> Iterator[Floats]:
        return map(self._merge.of_models, self._read)

    def of(self, span: Span) -> Floats:
        """Return the coefficients (n, M) of the samples of a span."""
        return self._merge.of_models(self._read.of(span))

    def __call__(self, batch: Batch, _: Mapping[str, Any]) -> Floats:
        """Return the coefficients (n, M) of a batch."""
        return self.of(batch.span)[batch.sample_index - batch.span.start]


class _Groups:
    """The groups of samples that share a merged model."""

    def __init__(self, merge: MergeReference, store: Store) -> None:
        self._stored = _Stored(merge, store)
        self._rows = np.unique(np.concatenate([np.unique(part, axis=0) for part in self._stored]), axis=0)

    @property
    def count(self) -> int:
        """The number of groups."""
        return len(self._rows)

    def order(self, span: Span) -> NDArray[np.int64]:
        """Return the numbers of a span's samples, group by group."""
        rows = np.concatenate([self._rows, self._stored.of(span)])
        member = np.unique(rows, axis=0, return_inverse=True)[1][len(self._rows) :]
        return span.start + np.argsort(member, kind="stable")


def _coefficients(merge: MergeReference, store: Store) -> CoefficientsOf:
    source = merge.source
    if isinstance(source, tuple):
        return lambda batch, _: np.tile(source, (len(batch.sample_index), 1))
    if merge.is_local and not _is_stored(merge, store):
        assert not isinstance(source, BinsReference)  # which wait for the outputs of all samples
        own = source.coefficients if isinstance(source, MixtureReference) else source
        if own.seed is not None:
            drawn = merge.of_models(drawn_coefficients(own))
            return lambda batch, _: drawn[batch.sample_index]
        local = LocalCoefficients(source, store)
        return lambda batch, results: merge.of_models(local(batch, results))
    return _Stored(merge, store)


def _has_order(merge: MergeReference, store: Store) -> bool:
    """Return whether samples share models in groups that a table holds; local merges take the samples as they come."""
    return merge.is_grouped and not merge.is_local and _is_stored(merge, store)


def _is_stored(merge: MergeReference, store: Store) -> bool:
    assert not isinstance(merge.source, tuple)  # those have no table
    return not missing_spans(store, merge.source.prefix, merge.dataset.spans)


def _sink(merge: MergeReference, coefficients: CoefficientsOf, merger: Merger) -> Sink[Batch]:
    merger.prepare(merge)
    run = merger.own if isinstance(merge.source, CoefficientsReference) else merger.shared

    def compute(batch: Batch, own: Floats) -> Floats:
        return run(merge, batch.images, own)

    def columns(batch: Batch, logits: Floats) -> Columns:
        return scored(log_probabilities(logits), batch.labels)

    return Sink(
        prefix=merge.prefix,
        schema=PREDICTIONS,
        identity=merge.identity,
        needs=coefficients,
        compute=compute,
        columns=columns,
        device=merger.device,
    )
