"""Lines for the log of a run in the Prefect UI: the accuracies that it has just computed."""

import logging
from collections.abc import Iterable

import polars as pl

from flows.reports.tables import wide
from storage.schemas import OUTPUTS, PREDICTIONS
from storage.soundness import missing_spans
from storage.store import Store
from storage.tables import read_samples
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import PredictionsReference
from tasks.references.results import Cell

log = logging.getLogger("dawin.results")


def log_accuracies(named: Iterable[tuple[str, PredictionsReference]], store: Store) -> None:
    """Log the top-1 accuracy of each complete table of predictions on a labelled data set, in one line.

    Args:
        named: methods or models with their predictions, all on one data set.
        store: holds the predictions.
    """
    found = [(name, predictions) for name, predictions in named if predictions.dataset.classes is not None]
    complete = [(n, p) for n, p in found if not missing_spans(store, p.prefix, p.dataset.spans)]
    if complete:
        dataset = complete[0][1].dataset
        shown = ", ".join(f"{name} {100 * _top1(predictions, store):.1f}" for name, predictions in complete)
        log.info("top-1 accuracy on %s (%d samples), %%: %s", dataset.name, dataset.samples, shown)


def outputs_by_model(outputs: Iterable[OutputsReference]) -> list[tuple[str, PredictionsReference]]:
    """Return the outputs of models with the models' names, for `log_accuracies`."""
    return [(reference.model.name, reference) for reference in outputs]


def predictions_by_method(
    cells: Iterable[Cell], wanted: Iterable[PredictionsReference]
) -> list[tuple[str, PredictionsReference]]:
    """Return the wanted predictions with the names of all methods that they answer for, for `log_accuracies`."""
    ids = {predictions.id for predictions in wanted}
    return [(cell.method, cell.predictions) for cell in cells if cell.predictions.id in ids]


def log_results(rows: pl.DataFrame) -> None:
    """Log the mean top-1 accuracy of each method over each group of data sets, a line each.

    Args:
        rows: the results of one run.
    """
    if "top1" not in rows["metric"]:
        return
    table = wide(rows)
    groups = [name for name in table.columns if name.startswith("mean ")]
    for row in table.iter_rows(named=True):
        means = ", ".join(f"{name} {row[name]:.1f}" for name in groups if row[name] is not None)
        log.info("%s: top-1 accuracy, %%: %s", row["method"], means)


def _top1(predictions: PredictionsReference, store: Store) -> float:
    schema = OUTPUTS[predictions.scored.logits] if isinstance(predictions, OutputsReference) else PREDICTIONS
    samples = predictions.dataset.samples
    ranks = read_samples(store, predictions.prefix, schema, ["label_rank"], samples=samples)["label_rank"]
    known = ranks.drop_null()
    return float((known.to_numpy() == 0).mean()) if len(known) else float("nan")
