"""The per-sample columns that metrics are computed from, read from the store."""

import math
from collections.abc import Collection, Sequence

from storage.schemas import OUTPUTS, PREDICTIONS
from storage.store import Store
from storage.tables import read_samples
from tasks.numerics.metrics.metric import (
    GROUP_COLUMNS,
    LABEL_COLUMNS,
    PREDICTION_COLUMNS,
    TUNED_COLUMN,
    SampleColumns,
)
from tasks.opening.read_coefficients import read_coefficients
from tasks.references.coefficients import BinsReference, MixtureReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import MergeReference, PredictionsReference

_WITHOUT_LABEL = {"label": -1, "label_rank": -1, "loss": math.nan}  # the values of metrics' columns in place of null


def available_columns(predictions: PredictionsReference, tuned: OutputsReference | None = None) -> list[str]:
    """Return the names of the per-sample columns that exist for predictions.

    Args:
        predictions: of one method on one data set.
        tuned: outputs of the model that was fine-tuned on the data set; None: no model was.
    """
    has_labels = predictions.dataset.classes is not None
    labels = (*LABEL_COLUMNS, *([TUNED_COLUMN] if tuned else [])) if has_labels else ()
    groups = GROUP_COLUMNS if _groups(predictions) else ()
    return [*PREDICTION_COLUMNS, *labels, *groups]


def read_columns(
    predictions: PredictionsReference,
    names: Collection[str],
    store: Store,
    tuned: OutputsReference | None = None,
) -> SampleColumns:
    """Return columns of predictions, all n samples in the order of the data set.

    Args:
        predictions: of one method on one data set, complete in the store.
        names: the columns, out of those of `available_columns`.
        store: holds the predictions.
        tuned: as in `available_columns`.

    Raises:
        ObjectMissing: samples are missing.
        StorageError: an object is damaged.
    """
    columns = dict(stored_columns(predictions, names, store))
    if TUNED_COLUMN in names and tuned is not None:
        columns[TUNED_COLUMN] = stored_columns(tuned, ["label_rank"], store)["label_rank"]
    if isinstance(predictions, MergeReference) and (groups := _groups(predictions)):
        tables = dict(zip(GROUP_COLUMNS, (groups.coefficients, groups), strict=True))
        for name in tables.keys() & names:
            coefficients = read_coefficients(store, tables[name], predictions.dataset.whole)
            columns[name] = predictions.of_models(coefficients)
    return columns


def stored_columns(predictions: PredictionsReference, names: Collection[str], store: Store) -> SampleColumns:
    """Return those of the named columns that the table of the predictions itself holds.

    Raises:
        ObjectMissing, StorageError: as `read_columns`.
    """
    stored = [name for name in (*PREDICTION_COLUMNS, *LABEL_COLUMNS) if name in names]
    if not stored:
        return {}
    schema = OUTPUTS[predictions.scored.logits] if isinstance(predictions, OutputsReference) else PREDICTIONS
    table = read_samples(store, predictions.prefix, schema, stored, samples=predictions.dataset.samples)
    return {
        name: (table[name].fill_null(_WITHOUT_LABEL[name]) if name in _WITHOUT_LABEL else table[name]).to_numpy()
        for name in stored
    }


def outputs_of(predictions: PredictionsReference) -> Sequence[OutputsReference]:
    """Return the outputs of the models from which predictions are made."""
    return [predictions] if isinstance(predictions, OutputsReference) else predictions.outputs


def _groups(predictions: PredictionsReference) -> MixtureReference | BinsReference | None:
    """Return the clusters or bins in which samples were merged, None for predictions of another kind."""
    if isinstance(predictions, MergeReference) and isinstance(predictions.source, MixtureReference | BinsReference):
        return predictions.source
    return None
