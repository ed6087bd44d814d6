"""Coefficients that a store holds, every sample's own or its cluster's or bin's, and coefficients that are drawn."""

from collections.abc import Iterable, Iterator

import numpy as np

from storage import keys
from storage.schemas import BINS, COEFFICIENTS, MIXTURES, TableSchema
from storage.spans import Span
from storage.store import Store
from storage.tables import read_table, vectors
from tasks.methods.registry import method_of
from tasks.numerics.checks import Floats
from tasks.opening.spooled import Spooled
from tasks.references.coefficients import CoefficientsReference, FittedReference

HELD_BYTES = 64 << 20
"""The most bytes of a data set's coefficients or scores that stay in memory between the passes of a fit."""


class StoredCoefficients:
    """The coefficients in a table of a store, which are read span by span; the last span stays in memory.

    Iterating yields arrays (n_i, M), one for each of the data set's spans in order, at each pass anew.

    Args:
        store: holds the table.
        reference: the table.
    """

    def __init__(self, store: Store, reference: FittedReference) -> None:
        self._store, self._prefix, self._schema = store, reference.prefix, _schema(reference)
        self._shard, self._spans = reference.dataset.shard, reference.dataset.spans
        self._samples, self._models = reference.dataset.samples, _models(reference)
        self._last: tuple[Span, Floats] | None = None

    def __iter__(self) -> Iterator[Floats]:
        return map(self._read, self._spans)

    def passes(self) -> Iterable[Floats]:
        """Return the coefficients for several passes: in memory if they are small enough, else in a temporary file."""
        size = 8 * self._samples * self._models
        return list(self) if size <= HELD_BYTES else Spooled(self, size)

    def of(self, samples: Span) -> Floats:
        """Return the coefficients (n, M) of the samples of a span, from the objects that hold some of them.

        Raises:
            ObjectMissing: one of these objects is not in the store.
            StorageError: one of them cannot be read.
        """
        parts = []
        for span in self._spans[samples.start // self._shard : -(-samples.stop // self._shard)]:
            held = self._read(span)
            parts.append(held[max(samples.start - span.start, 0) : samples.stop - span.start])
        return np.concatenate(parts)

    def _read(self, span: Span) -> Floats:
        if self._last is None or self._last[0] != span:
            table = read_table(self._store, keys.samples(self._prefix, span), self._schema, ["coefficients"])
            self._last = span, vectors(table["coefficients"])
        return self._last[1]


def drawn_coefficients(reference: CoefficientsReference) -> Floats:
    """Return coefficients (n, M) that their method draws: the same numbers at every call."""
    assert reference.seed is not None  # only drawn ones have a seed
    seed = [reference.seed, int(reference.dataset.digest[:8], 16)]
    method, member = method_of(reference.expertise), reference.expertise.partition("/")[2]
    return method.draw(member, reference.dataset.samples, len(reference.outputs), seed)


def read_coefficients(store: Store, reference: FittedReference, samples: Span) -> Floats:
    """Return the coefficients (n, M) of the samples of a span; only the objects that hold some of them are read.

    Args:
        store: holds the table.
        reference: coefficients, a mixture or bins.
        samples: the samples.

    Raises:
        ObjectMissing: one of these objects is not in the store.
        StorageError: one of them cannot be read.
    """
    return StoredCoefficients(store, reference).of(samples)


def _models(reference: FittedReference) -> int:
    own = reference if isinstance(reference, CoefficientsReference) else reference.coefficients
    return len(own.outputs)


def _schema(reference: FittedReference) -> TableSchema:
    return next(schema for schema in (COEFFICIENTS, MIXTURES, BINS) if schema.name == reference.table)
