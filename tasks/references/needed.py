"""The objects of a store that a run's results are computed from, which a store keeps as long as it keeps the run."""

from collections.abc import Collection, Iterable, Iterator

from storage import keys
from tasks.references.coefficients import CoefficientsReference, FittedReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.heads import TextHeadReference
from tasks.references.names import NamesReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference, PredictionsReference
from tasks.references.results import Cell, RunRecord


def needed(record: RunRecord, cells: Iterable[Cell], outputs: Iterable[OutputsReference] = ()) -> list[str]:
    """Return the folders and keys of everything that a run's results are computed from.

    This includes the tables of tables: the outputs that coefficients are computed from, the coefficients that clusters
    are made of, the models that methods make of others' weights, heads made of class names, and the names of samples.
    The results themselves, their page, their comparisons and the plan are not among them.

    Args:
        record: the run.
        cells: all cells of its results.
        outputs: more outputs that the run extracts.

    Returns:
        Sorted, without slashes at the end: a folder stands for everything below it.
    """
    found = set[str]()
    for one in outputs:
        found.update(_of_outputs(one))
    for one in record.tuned:
        found.update(_of_outputs(one))
    for predictions in {cell.predictions.prefix: cell.predictions for cell in cells}.values():
        found.update(_of_predictions(predictions))
    return sorted(found)


def is_needed(key: str, folders_and_keys: Collection[str]) -> bool:
    """Return whether an object is one of those that `needed` returns, or lies below one of them.

    Args:
        key: the object's key.
        folders_and_keys: as `needed` returns them, of any number of runs, as a set.

    Example:
        >>> is_needed("heads/0123.safetensors", {"heads/0123.safetensors"}), is_needed("bins/a/b/c", {"bins/a"})
        (True, True)
    """
    end = len(key)
    while end > 0:
        if key[:end] in folders_and_keys:
            return True
        end = key.rfind("/", 0, end)
    return False


def _of_predictions(predictions: PredictionsReference) -> Iterator[str]:
    if isinstance(predictions, OutputsReference):
        yield from _of_outputs(predictions)
        return
    yield predictions.prefix
    is_merge = isinstance(predictions, MergeReference)  # which runs the models' weights, and reads no outputs of theirs
    for outputs in predictions.outputs:
        yield from _of_model(outputs) if is_merge else _of_outputs(outputs)
    source = predictions.source if isinstance(predictions, MergeReference) else _weighting(predictions)
    if source is not None and not isinstance(source, tuple):
        yield from _of_fitted(source)


def _weighting(ensemble: EnsembleReference) -> CoefficientsReference | None:
    return None if isinstance(ensemble.weighting, str) else ensemble.weighting


def _of_fitted(fitted: FittedReference) -> Iterator[str]:
    yield fitted.prefix
    if fitted.fitted_on:
        yield from _of_fitted(fitted.fitted_on)
    if isinstance(fitted, MixtureReference):
        yield fitted.components_key.rpartition("/")[0]
    if not isinstance(fitted, CoefficientsReference):
        yield from _of_fitted(fitted.coefficients)
        return
    for outputs in (*fitted.outputs, *([fitted.judge] if fitted.judge else [])):
        yield from _of_outputs(outputs)


def _of_outputs(outputs: OutputsReference) -> Iterator[str]:
    yield outputs.prefix
    yield from _of_model(outputs)


def _of_model(outputs: OutputsReference) -> Iterator[str]:
    """Yield everything that running a model on its data set needs."""
    yield from _of_dataset(outputs.dataset)
    if isinstance(outputs.scored.head, TextHeadReference):
        yield outputs.scored.head.key
    if made := outputs.model.made:
        yield made.key.rpartition("/")[0]
        for looked_at in made.looks_at:
            yield from _of_dataset(looked_at.dataset)
            if isinstance(looked_at.head, TextHeadReference):
                yield looked_at.head.key


def _of_dataset(dataset: DatasetReference) -> Iterator[str]:
    yield NamesReference(of=dataset).prefix
    yield keys.cut(dataset.digest)
