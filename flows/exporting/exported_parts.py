"""The parts of an export: the weights to write, the rules that choose among them, and the facts for the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flows.exporting.exportable import not_run
from flows.exporting.request import ExportRequest
from flows.planning.fitted_method import FittedMethod
from storage.errors import ObjectMissing
from storage.store import Store
from tasks.exporting.router_rules import FittedRules, fitted_rules, model_folder
from tasks.exporting.weight_sets import WeightSet
from tasks.numerics.checks import Floats
from tasks.numerics.offset import Offset
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import MergeReference

_FOLDERS = {"clusters": "cluster", "bins": "bin"}


@dataclass(frozen=True, kw_only=True)
class ExportedParts:
    """The parts of an export."""

    kind: str
    """`static`, `clusters`, `bins` or `samples`."""
    dataset: str | None
    """The data set that rules or the head belong to; None: the weights belong to no data set."""
    merged: tuple[OutputsReference, ...]
    """Of the models that coefficients are given for, on the data set."""
    coefficients: tuple[tuple[float, ...], ...]
    """A row for each merged model."""
    weights: tuple[WeightSet, ...]
    """Written in every form."""
    compared: tuple[WeightSet, ...] = ()
    """Models that the router compares; written in our own form alone."""
    rules: Mapping[str, Any] | None = None
    """The content of `router.json` that decides; None: one model for all images."""
    offset: Offset | None = None
    """Of the data set's coefficients."""
    scale: float | None = None
    """s of task vectors."""
    with_head: bool
    classes: tuple[str, ...]
    """Names of the classes that are predicted; empty if none are known, or data sets have different ones."""
    groups: tuple[tuple[int, ...], ...] | None = None
    """For each class the head's classes that it stands for; None: they are the head's."""
    notes: tuple[str, ...] = field(default=())
    """Sentences for the user about choices that the request left open."""


def exported_parts(request: ExportRequest, fitted: FittedMethod, store: Store) -> ExportedParts:
    """Return the parts of a method's export.

    Args:
        request: the user's.
        fitted: the method, which can be exported.
        store: holds everything that was fitted.

    Raises:
        ExperimentError: no run has fitted the method to the data set.
        StorageError: the store cannot be read.
    """
    predictions = fitted.predictions
    if isinstance(predictions, OutputsReference):
        return _static(request, fitted, (predictions,), (1.0,))
    assert isinstance(predictions, MergeReference)  # others were refused
    if isinstance(predictions.source, tuple):
        return _static(request, fitted, predictions.outputs, predictions.source)
    try:
        rules = fitted_rules(predictions, store)
    except ObjectMissing as error:
        raise not_run(request, f"{store.url} holds no fit of it on data set {fitted.dataset.name}") from error
    return _routed(request, fitted, predictions, rules)


def _static(
    request: ExportRequest,
    fitted: FittedMethod,
    outputs: tuple[OutputsReference, ...],
    coefficients: tuple[float, ...],
) -> ExportedParts:
    experiment, names = request.experiment, [dataset.name for dataset in request.experiment.datasets]
    dataset = request.dataset or (names[0] if len(names) == 1 else None)
    with_head = dataset is not None or len({experiment.head_of(name) for name in names}) == 1
    asked = f"--dataset names one of {', '.join(names)}"
    note = f"no head was written, since the data sets have heads of their own: {asked}"
    spaces = {one.scored_space for one in experiment.datasets}
    is_clear = dataset is not None or (with_head and len(spaces) == 1)  # whose classes are predicted
    unclear = f"the classes are the head's, without names, since the data sets have classes of their own: {asked}"
    return ExportedParts(
        kind="static",
        dataset=dataset,
        merged=outputs,
        coefficients=(coefficients,),
        weights=(WeightSet(folder="", outputs=outputs, coefficients=coefficients),),
        with_head=with_head,
        classes=fitted.classes if is_clear else (),
        groups=fitted.dataset.groups if is_clear else None,
        notes=(note,) if not with_head else () if is_clear else (unclear,),
    )


def _routed(request: ExportRequest, fitted: FittedMethod, merge: MergeReference, found: FittedRules) -> ExportedParts:
    rows = _rows(found.coefficients)
    alone = [_model(outputs) for outputs in merge.outputs]
    rules = {**found.rules, "coefficients": [list(row) for row in rows]}
    if found.kind in _FOLDERS:
        names = [f"{_FOLDERS[found.kind]}-{number}" for number in range(len(rows))]
        weights = [
            WeightSet(folder=name, outputs=merge.outputs, coefficients=row)
            for name, row in zip(names, rows, strict=True)
        ]
        compared = [one for one in alone if one.outputs[0].model.name in found.rules["models"]]
        rules["merged"] = [[one.checkpoint] for one in weights]
    else:
        weights, compared, rows = alone, [], _rows(np.eye(len(alone)))
        rules["merged"] = [[one.checkpoint for one in weights]]
    is_first = request.dataset is None and len(request.experiment.datasets) > 1
    note = f"fitted on {fitted.dataset.name}, the experiment's first data set; --dataset names another"
    return ExportedParts(
        kind=found.kind,
        dataset=fitted.dataset.name,
        merged=merge.outputs,
        coefficients=rows,
        weights=tuple(weights),
        compared=tuple(compared),
        rules=rules,
        offset=found.offset,
        scale=merge.scale,
        with_head=True,
        classes=fitted.classes,
        groups=fitted.dataset.groups,
        notes=(note,) if is_first else (),
    )


def _model(outputs: OutputsReference) -> WeightSet:
    return WeightSet(folder=model_folder(outputs.model.name), outputs=(outputs,), coefficients=(1.0,))


def _rows(table: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in table.tolist())
