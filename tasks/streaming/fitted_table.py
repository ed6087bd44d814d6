"""Writing the missing spans of a table that is fitted to a data set: coefficients, clusters or bins."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage import keys
from storage.schemas import TableSchema
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns, TableWriter
from tasks.numerics.checks import Floats
from tasks.numerics.pieces import PIECE
from tasks.references.coefficients import FittedReference


def write_spans(
    store: Store,
    reference: FittedReference,
    schema: TableSchema,
    missing: Sequence[Span],
    *,
    columns: Callable[[Span], Iterable[Columns]],
    widths: Mapping[str, int],
    run: str | None = None,
) -> None:
    """Write the missing objects of a table, one after the other.

    A killed run leaves whole objects, and the next run writes the others.

    Args:
        store: receives the objects.
        reference: the table.
        schema: of the table.
        missing: the spans to write.
        columns: yields the columns of a span's samples part by part, in order, all but the sample numbers.
        widths: the length of each of the schema's vectors.
        run: id of the flow run, recorded in the manifests.
    """
    prefix, identity = reference.prefix, reference.identity
    for span in missing:
        key, start = keys.samples(prefix, span), span.start
        writer = TableWriter(store, key, schema, identity=identity, widths=widths, run=run)
        for part in columns(span):
            stop = start + len(next(iter(part.values())))
            writer.append({"sample_index": np.arange(start, stop), **part})
            start = stop
        writer.commit()


class ColumnsByPiece:
    """The columns of spans, computed in pieces of `PIECE` samples by their numbers, wherever spans begin and end.

    The columns of a sample can depend in their last bits on the other samples of its piece. So they do not depend on
    the spans, nor on which of them an earlier run has written.

    Args:
        samples: of the data set.
        rows: returns the coefficients (n, M) of the samples of a piece.
        compute: computes the columns of a piece from its coefficients, all but the sample numbers.
    """

    def __init__(
        self, samples: int, rows: Callable[[Span], Floats], compute: Callable[[Floats], Mapping[str, NDArray[Any]]]
    ) -> None:
        self._samples, self._rows, self._compute = samples, rows, compute
        self._last: tuple[Span, Mapping[str, NDArray[Any]]] | None = None

    def __call__(self, span: Span) -> Iterator[Columns]:
        """Yield the columns of a span's samples."""
        for start in range(span.start // PIECE * PIECE, span.stop, PIECE):
            piece = Span(start, min(start + PIECE, self._samples))
            if self._last is None or self._last[0] != piece:  # the span before may end within this piece
                self._last = piece, self._compute(self._rows(piece))
            own = slice(max(span.start - piece.start, 0), span.stop - piece.start)
            yield {name: values[own] for name, values in self._last[1].items()}
