"""Estimates of every metric of every method on a data set, from the predictions in a store."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.identity import digest_of
from storage.schemas import SAMPLES
from storage.soundness import missing_spans
from storage.store import Store
from storage.tables import read_samples
from tasks.evidence.sample_columns import available_columns, read_columns
from tasks.numerics.evidence.estimates import Measured, estimates
from tasks.numerics.evidence.resampling import Resampling
from tasks.numerics.metrics.metric import SampleColumns
from tasks.numerics.metrics.registry import METRICS, metrics_of
from tasks.references.datasets import DatasetReference
from tasks.references.names import NamesReference
from tasks.references.outputs import OutputsReference
from tasks.references.results import Cell


class DatasetEstimates(NamedTuple):
    """The metrics of methods on one data set."""

    dataset: DatasetReference
    measured: Mapping[str, Mapping[str, Measured]]
    """Estimates and replicates by method and metric, the replicates from the same resamples for all methods."""
    right: Mapping[str, NDArray[np.bool_]] = MappingProxyType({})
    """(n,) by method, whether the prediction of each sample is right; empty on a data set without labels."""


def estimates_on(
    dataset: DatasetReference, cells: Sequence[Cell], store: Store, tuned: OutputsReference | None = None
) -> DatasetEstimates:
    """Return all metrics of methods on a data set, with 95 % intervals.

    Args:
        dataset: the data set.
        cells: methods on this data set, with predictions that are complete in the store.
        store: holds the predictions.
        tuned: outputs of the model that was fine-tuned on the data set; None: no model was.

    Raises:
        ObjectMissing: predictions are missing.
        StorageError: an object is damaged.
    """
    same = {cell.method: cell.predictions.id for cell in cells}  # methods of equal predictions are measured once
    unlike = {cell.predictions.id: cell.predictions for cell in cells}
    columns: dict[str, SampleColumns] = {}
    for identifier, predictions in unlike.items():
        metrics = metrics_of(available_columns(predictions, tuned))
        wanted = {column for metric in metrics for column in metric.columns}
        columns[identifier] = read_columns(predictions, wanted, store, tuned)
    found = estimates(METRICS, columns, dataset.classes, resampling_of(dataset, store))
    right = {one: values["label_rank"] == 0 for one, values in columns.items() if "label_rank" in values}
    return DatasetEstimates(
        dataset,
        {method: found[one] for method, one in same.items()},
        {method: right[one] for method, one in same.items() if one in right},
    )


def resampling_of(dataset: DatasetReference, store: Store) -> Resampling:
    """Return the resamples of a data set, the same for all methods, runs and experiments.

    They are seeded by the names of the samples. So data sets that hold the same images under several shifts are drawn
    alike, and the interval of their mean counts each image once. A data set without names in the store is seeded by its
    digest.

    Args:
        dataset: the data set.
        store: holds the names.
    """
    names = NamesReference(of=dataset)
    if missing_spans(store, names.prefix, dataset.spans):
        return seeded_resampling(dataset.samples, dataset.digest)
    table = read_samples(store, names.prefix, SAMPLES, ["name"], samples=dataset.samples)
    return seeded_resampling(dataset.samples, dataset.digest, table["name"].to_pylist())


def seeded_resampling(samples: int, digest: str, names: Sequence[str] = ()) -> Resampling:
    """Return the resamples of n samples, by their names if these are known, else by the data set's digest.

    Args:
        samples: number n.
        digest: of the data set.
        names: of all n samples; another number of names counts as none.
    """
    return Resampling(samples, seed=digest_of({"names": list(names)}) if len(names) == samples else digest)
