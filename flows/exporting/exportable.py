"""The methods of an experiment that a model can be exported of, and the reasons why others have none."""

from collections.abc import Iterable

from flows.errors import ExperimentError
from flows.exporting.request import ExportRequest
from flows.planning.fitted_method import FittedMethod
from storage.soundness import is_committed
from storage.store import Store
from tasks.references.coefficients import CoefficientsReference, FittedReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, PredictionsReference

ROUTED_BY = "entropy"
"""The measure of expertise that `router.py` computes."""
_MOST = 30  # methods that a message lists


def refuse_unexportable(fitted: FittedMethod) -> None:
    """Refuse a method that has no model; the message lists those of the experiment that have one.

    Raises:
        ExperimentError: no weights give the method's predictions, or no router can choose them.
    """
    if reason := _reason(fitted.predictions):
        cells = [cell.method for cell in fitted.plan.cells if _reason(cell.predictions) is None]
        others = _listed(dict.fromkeys(cells)) or "none"
        raise ExperimentError(f"--method {fitted.cell.method}: {reason}; methods that can be exported: {others}")


def refuse_not_made(request: ExportRequest, fitted: FittedMethod, store: Store) -> None:
    """Refuse a method whose model was never made.

    Raises:
        ExperimentError: the store does not hold the model.
    """
    for made in fitted.made_models:
        if not is_committed(store, made.key):
            raise not_run(request, f"{store.url} does not hold the model of {made.method}")


def not_run(request: ExportRequest, reason: str) -> ExperimentError:
    """Return the error of a method of which no run has computed everything that an export needs."""
    return ExperimentError(f"--method {request.method}: {reason}; run it first: dawin run {request.file}")


def _reason(predictions: PredictionsReference) -> str | None:
    """Return why predictions are those of no model, worded to follow the method's name; None: they are of one."""
    if isinstance(predictions, OutputsReference):
        return None
    if isinstance(predictions, EnsembleReference):
        return "the outputs of several models are combined, so that no merged model exists"
    return None if isinstance(predictions.source, tuple) else _routing_reason(predictions.source)


def _routing_reason(source: FittedReference) -> str | None:
    own = source if isinstance(source, CoefficientsReference) else source.coefficients
    if own.seed is not None:
        return "coefficients are drawn at random for each sample"
    if own.column == "loss":
        return "coefficients come from the true labels, which new images do not have"
    if own.expertise != ROUTED_BY:
        return f"router.py routes by {ROUTED_BY}, the experiment measures expertise by {own.expertise}"
    return None


def _listed(names: Iterable[str]) -> str:
    """Return names in words, of a long list its beginning."""
    every = list(names)
    return f"{', '.join(every[:_MOST])}{' …' if len(every) > _MOST else ''}"
