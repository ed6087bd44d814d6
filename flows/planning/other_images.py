"""The plan that applies a method, as it was fitted on one data set, to images that were not part of its run."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from flows.errors import ExperimentError
from flows.experiment.settings import Experiment
from flows.planning.datasets import Datasets
from flows.planning.fitted_method import FittedMethod
from flows.planning.plan import Plan
from storage.filesystem import absolute
from storage.identity import digest_of
from storage.soundness import is_committed, missing_spans
from storage.store import Store
from tasks.errors import FitError, too_few_for_clusters
from tasks.references.coefficients import BinsReference, CoefficientsReference, FittedReference, MixtureReference
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference, PredictionsReference
from tasks.references.results import Cell, RunRecord

NAME = "images"
"""The name of other images in logs and in the UI."""


class OtherImages(NamedTuple):
    """A fitted method and other images."""

    plan: Plan
    """Of the method's predictions on them, its only cell."""
    fitted_on: DatasetReference
    """The data set that the method was fitted on."""
    is_refitted: bool
    """Whether offset, clusters or bins are fitted to these images instead."""

    @property
    def predictions(self) -> PredictionsReference:
        """The predictions."""
        return self.plan.cells[0].predictions


def plan_on_images(
    experiment: Experiment, store: Store, fitted: FittedMethod, images: str, *, limit: int | None, adapt: bool
) -> OtherImages:
    """Return the plan of a fitted method's predictions on images; the images are listed, not read.

    The images of the data set that the method was fitted on are that data set: nothing is computed again.

    Args:
        experiment: the settings.
        store: holds what was fitted.
        fitted: the method.
        images: address of the images, in any format that data sets have. Labels are neither needed nor used.
        limit: largest number of images, spread evenly over them; None: all.
        adapt: whether to fit offset, clusters and bins to these images, in the way in which a run does.

    Raises:
        ExperimentError: the method needs labels, or the store does not hold what was fitted.
        DatasetError: the images are missing, or in no format that is known.
        FitError: they are too few to be fitted to.
    """
    own = _own_coefficients(fitted.predictions)
    if own and own.column == "loss":
        raise ExperimentError(f"--method {fitted.cell.method}: needs the labels of the images that it predicts")
    found = _dataset(fitted, images, limit, store)
    is_same, refits = found.digest == fitted.dataset.digest, adapt and _fits(fitted.predictions)
    _check_made(fitted, store)
    if not refits or is_same:
        _check_fitted(fitted, store)
    if refits:
        _check_samples(fitted.predictions, found)
    logits = experiment.logits if experiment.logits == "fp16" or _reads_logits(fitted.predictions) else "none"
    scored = replace(fitted.outputs[0].scored, dataset=found, logits=logits)
    moved = _Moved(scored, adapt=adapt or is_same)
    return OtherImages(_plan(fitted, moved, found if refits else fitted.dataset), fitted.dataset, refits)


def _plan(fitted: FittedMethod, moved: "_Moved", fitted_on: DatasetReference) -> Plan:
    predictions = moved.predictions(fitted.predictions)
    outputs, settings = _looked_at(predictions), fitted.plan.record.settings
    record = RunRecord(
        experiment=fitted.plan.record.experiment,
        run_id=f"p{digest_of({'predictions': predictions.id})[:12]}",
        settings={
            **{key: settings[key] for key in ("architecture", "assumed", "preprocess")},
            "classes": list(fitted.classes),
            "fitted_on": fitted_on.digest,
        },
    )
    return replace(
        fitted.plan,
        record=record,
        outputs=(outputs or moved.outputs(fitted.outputs),),
        cells=(Cell(method=fitted.cell.method, predictions=predictions, uses_labels=False),),
        remarks=(),
        needs_outputs=bool(outputs),
        ends_in="file",
    )


def _dataset(fitted: FittedMethod, images: str, limit: int | None, store: Store) -> DatasetReference:
    """Return the images as a data set, their names written into the store."""
    own = fitted.dataset
    if absolute(images) == absolute(own.url) and limit == own.limit:
        return own
    datasets = Datasets()
    found = datasets.unlabelled(absolute(images), own, name=NAME, limit=limit)
    width = own.classes or own.head_classes or len(fitted.classes) or 1
    (cut,) = datasets.cut([found], [width], store, remember=True)
    datasets.write_names([cut], store)
    return cut


class _Moved:
    """References of a data set's tables, moved to other images."""

    def __init__(self, scored: ScoredDataset, *, adapt: bool) -> None:
        self._scored, self._adapt = scored, adapt

    def predictions(self, of: PredictionsReference) -> PredictionsReference:
        """Return the same predictions on the other images."""
        if isinstance(of, OutputsReference):
            return self.outputs((of,))[0]
        outputs = self.outputs(of.outputs)
        if isinstance(of, EnsembleReference):
            weighting = of.weighting if isinstance(of.weighting, str) else self._coefficients(of.weighting)
            return replace(of, outputs=outputs, weighting=weighting)
        return replace(of, outputs=outputs, source=of.source if isinstance(of.source, tuple) else self._of(of.source))

    def outputs(self, of: tuple[OutputsReference, ...]) -> tuple[OutputsReference, ...]:
        """Return the outputs of the same models on the other images."""
        return tuple(OutputsReference(model=one.model, scored=self._scored) for one in of)

    def _of(self, fitted: FittedReference) -> FittedReference:
        if isinstance(fitted, CoefficientsReference):
            return self._coefficients(fitted)
        coefficients = self._coefficients(fitted.coefficients)
        if isinstance(fitted, MixtureReference):
            return replace(fitted, coefficients=coefficients, fitted_on=None if self._adapt else fitted)
        return replace(fitted, coefficients=coefficients, fitted_on=None if self._adapt else fitted)

    def _coefficients(self, of: CoefficientsReference) -> CoefficientsReference:
        keeps_offset = of.with_offset and not self._adapt
        judge = self.outputs((of.judge,))[0] if of.judge else None
        return replace(of, outputs=self.outputs(of.outputs), judge=judge, fitted_on=of if keeps_offset else None)


def _own_coefficients(predictions: PredictionsReference) -> CoefficientsReference | None:
    """Return every sample's own coefficients that predictions are based on; None if they are based on none."""
    if isinstance(predictions, OutputsReference):
        return None
    source = predictions.source if isinstance(predictions, MergeReference) else predictions.weighting
    if isinstance(source, str | tuple):
        return None
    return source if isinstance(source, CoefficientsReference) else source.coefficients


def _looked_at(predictions: PredictionsReference) -> tuple[OutputsReference, ...]:
    """Return the outputs that predictions are made of, or whose entropies decide their coefficients."""
    if isinstance(predictions, OutputsReference):
        return (predictions,)
    if isinstance(predictions, EnsembleReference):
        return predictions.outputs
    own = _own_coefficients(predictions)
    return own.outputs if own and own.seed is None else ()


def _reads_logits(predictions: PredictionsReference) -> bool:
    own = _own_coefficients(predictions)
    return isinstance(predictions, EnsembleReference) or (own is not None and own.needs_logits)


def _fits(predictions: PredictionsReference) -> bool:
    """Return whether anything is fitted to the samples of a data set: an offset, a mixture or bins."""
    source, own = getattr(predictions, "source", None), _own_coefficients(predictions)
    return isinstance(source, MixtureReference | BinsReference) or (own is not None and own.with_offset)


def _check_samples(predictions: PredictionsReference, images: DatasetReference) -> None:
    """Refuse images that are too few for a fit.

    Raises:
        FitError: fewer images than clusters, or a single one for an offset.
    """
    source, own = getattr(predictions, "source", None), _own_coefficients(predictions)
    if isinstance(source, MixtureReference) and source.components != "auto" and images.samples < source.components:
        raise too_few_for_clusters(images.name, images.samples, source.components)
    if own and own.with_offset and images.samples < 2:
        raise FitError("--adapt: 1 image, wanted at least 2 for the offset; without it, the fitted one is used")


def _check_made(fitted: FittedMethod, store: Store) -> None:
    """Refuse a model that was made by looking at images, and is not in the store.

    Raises:
        ExperimentError: the store does not hold it.
    """
    for made in fitted.made_models:
        if made.looks_at and not is_committed(store, made.key):
            raise ExperimentError(
                f"--method {fitted.cell.method}: the store {store.url} holds no model of it for the checkpoints and "
                "images as they are now; `dawin run EXPERIMENT` makes it"
            )


def _check_fitted(fitted: FittedMethod, store: Store) -> None:
    """Refuse a method of which the store does not hold what was fitted.

    Raises:
        ExperimentError: something is missing.
    """
    missing = next(_not_fitted(fitted, store), None)
    if missing:
        name, method = fitted.dataset.name, fitted.cell.method
        raise ExperimentError(
            f"--dataset {name}: the store {store.url} holds no {missing} of {method} for the checkpoints and images as "
            "they are now; `dawin run EXPERIMENT` fits it, and --adapt fits to the other images instead"
        )


def _not_fitted(fitted: FittedMethod, store: Store) -> Iterator[str]:
    """Yield, in words, what was fitted and is not in the store."""
    predictions = fitted.predictions
    source = predictions.source if isinstance(predictions, MergeReference) else None
    if isinstance(source, MixtureReference) and not is_committed(store, source.components_key):
        yield "fitted mixture"
    if isinstance(source, BinsReference) and _is_incomplete(source.coefficients, store):
        yield "bins"
    own = _own_coefficients(predictions)
    if own and own.with_offset and any(_is_incomplete(outputs, store) for outputs in own.outputs):
        yield "outputs, from which the offset is computed,"


def _is_incomplete(table: OutputsReference | CoefficientsReference, store: Store) -> bool:
    return bool(missing_spans(store, table.prefix, table.dataset.spans))
