"""Doubts about the labels of data sets, from the predictions of the models that were given."""

from collections.abc import Sequence

from storage.schemas import OUTPUTS
from storage.store import Store
from storage.tables import read_samples
from tasks.evidence.sample_columns import outputs_of
from tasks.numerics.label_order import ModelPredictions, doubt_of_labels
from tasks.references.datasets import DatasetReference
from tasks.references.results import Cell


def doubt_about(dataset: DatasetReference, cells: Sequence[Cell], store: Store) -> str | None:
    """Return a message that a data set's labels seem not to belong to the head's classes, or None.

    Args:
        dataset: the data set.
        cells: of the run, on any data sets.
        store: holds the models' outputs.
    """
    if dataset.classes is None:
        return None
    mine = [cell for cell in cells if cell.predictions.dataset == dataset]
    outputs = [o for cell in mine for o in outputs_of(cell.predictions) if o.model.made is None]
    columns = ["label", "prediction", "entropy"]
    tables = [
        read_samples(store, o.prefix, OUTPUTS[o.scored.logits], columns) for o in {o.id: o for o in outputs}.values()
    ]
    tables = [table for table in tables if len(table) == dataset.samples]
    if not tables:
        return None
    models = [ModelPredictions(table["prediction"].to_numpy(), table["entropy"].to_numpy()) for table in tables]
    return doubt_of_labels(tables[0]["label"].to_numpy(), models, dataset.classes)
