"""Tables that a pass over samples fills: a result for each batch, and the columns made of the result."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from storage.schemas import TableSchema
from storage.spans import Span
from storage.tables import Columns
from tasks.numerics.checks import Floats
from tasks.numerics.sample_predictions import predict


class Samples(Protocol):
    """A batch: samples of one span, with the data that a sink computes columns from."""

    @property
    def span(self) -> Span:
        """The span that the batch is part of."""

    @property
    def sample_index(self) -> NDArray[np.int64]:
        """The samples' numbers in the data set."""


Batch_contra = TypeVar("Batch_contra", bound=Samples, contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Sink(Generic[Batch_contra]):
    """A table to fill step by step: `needs` and `compute` run in the pass, `columns` in the background beside the next.

    The time of `compute` is measured, and kept in the manifests of the table's objects. It ends with numbers in the
    processor's memory, so a GPU has finished its part by then.
    """

    prefix: str
    schema: TableSchema
    identity: Mapping[str, Any]
    compute: Callable[[Batch_contra, Any], Any]
    """From a batch, and what `needs` returned for it, to the result for this table: forward passes, and merging."""
    columns: Callable[[Batch_contra, Any], Columns]
    """From a batch and its result to the table's columns, without the sample index."""
    needs: Callable[[Batch_contra, Mapping[str, Any]], Any] = lambda _batch, _results: None
    """From a batch, and its results for the tables before this one by prefix, to the data that `compute` needs beside
    the batch. It may read the store."""
    widths: Mapping[str, int] = field(default_factory=dict)
    vectors: Collection[Span] = ()
    """The spans whose stored objects must have their vectors: one that is without is computed again."""
    device: str = "cpu"
    """Where `compute` computes, as `tasks.streaming.devices.device_name` names it."""


def scored(log_p: Floats, labels: NDArray[np.int32]) -> Columns:
    """Return the columns that every table of predictions has; those that need a label are null without one.

    Args:
        log_p: (n, classes), log-probabilities.
        labels: (n,), negative where unknown.
    """
    scores, unknown = predict(log_p, labels), labels < 0
    return {
        "label": _masked(labels, unknown),
        "prediction": scores.prediction,
        "label_rank": _masked(scores.label_rank, unknown),
        "loss": _masked(scores.loss, unknown),
        "entropy": scores.entropy,
        "confidence": scores.confidence,
        "sum_of_squares": scores.sum_of_squares,
    }


def _masked(values: NDArray[Any], unknown: NDArray[np.bool_]) -> Any:  # noqa: ANN401  numpy's masked array has no useful type
    return np.ma.masked_array(values, mask=unknown) if unknown.any() else values
