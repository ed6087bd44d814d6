"""The content of `router.json`: everything that was fitted, in the form that `router.py` computes with.

This module joins storage and models.
"""

from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from storage.store import Store
from tasks.exporting.weight_sets import CHECKPOINT
from tasks.numerics.bins import Bins
from tasks.numerics.checks import Floats
from tasks.numerics.offset import Offset
from tasks.opening.fitted_rules import bins_for, offset_for, read_components
from tasks.references.coefficients import BinsReference, CoefficientsReference, FittedReference, MixtureReference
from tasks.references.predictions import MergeReference


class FittedRules(NamedTuple):
    """The rules of a merge that decides by the models' entropies, as they were fitted on a data set."""

    kind: str
    """`clusters`, `bins` or `samples`."""
    coefficients: Floats
    """(K, M) of each cluster or bin; for `samples`, of a sample whose expertise lies all on one compared model."""
    offset: Offset | None
    """Of the data set; None: the coefficients have none."""
    rules: dict[str, Any]
    """The part of `router.json` that decides."""


def fitted_rules(merge: MergeReference, store: Store) -> FittedRules:
    """Return the rules of a merge, read from the store.

    Args:
        merge: of coefficients that are measured by entropy.
        store: holds everything that was fitted.

    Raises:
        ObjectMissing: the store does not hold it: no run has fitted it.
        StorageError: it cannot be read.
    """
    assert not isinstance(merge.source, tuple)  # one model for all samples needs no rules
    compared = own_coefficients(merge.source)
    offset = offset_for(store, compared)
    common = {
        "expertise": compared.expertise,
        "models": [outputs.model.name for outputs in compared.outputs],
        "temperatures": [outputs.model.temperature for outputs in compared.outputs],
        "compared": [f"{model_folder(outputs.model.name)}/{CHECKPOINT}" for outputs in compared.outputs],
        "offset": _added(offset, len(compared.outputs)),
        "offset_statistics": offset and {"b": offset.b, "w": offset.w if isfinite(offset.w) else None},
        "scale": merge.scale,
    }
    kind, table, own = _decision(merge.source, store)
    return FittedRules(kind, merge.of_models(table), offset, {"kind": kind, **common, **own})


def own_coefficients(source: FittedReference) -> CoefficientsReference:
    """Return the reference of every sample's own coefficients, from which clusters and bins are made."""
    return source if isinstance(source, CoefficientsReference) else source.coefficients


def model_folder(name: str) -> str:
    """Return the folder of a model below an exported folder."""
    return f"model-{name}"


def _added(offset: Offset | None, models: int) -> list[float]:
    """Return the numbers that are added to the expertise of each model: b − b/w and b/w with an offset, else zeros.

    Coefficients are parts of the sums, so that (e^{−H₁} + b/w) / (e^{−H₀} + e^{−H₁} + b) is that of the second model.
    """
    if offset is None:
        return [0.0] * models
    of_tuned = offset.b / offset.w  # 0 where w is infinite
    return [offset.b - of_tuned, of_tuned]


def _decision(source: FittedReference, store: Store) -> tuple[str, Floats, dict[str, Any]]:
    """Return the kind of a decision, the coefficients of the compared models in its table, and its own rules."""
    if isinstance(source, MixtureReference):
        weights, concentration, means = read_components(store, source)
        return "clusters", means, {"weights": weights.tolist(), "concentration": concentration.tolist()}
    if isinstance(source, BinsReference):
        bins = bins_for(store, source)
        return "bins", bins.coefficients, rules_of_bins(bins)
    return "samples", np.eye(len(source.outputs)), {}


def rules_of_bins(bins: Bins) -> dict[str, Any]:
    """Return the borders of bins in the coefficient of the second of two models, or else the centres of bins.

    Bins that no sample of the fitted data set lies in are left out: their place goes to the bins beside them, as far as
    these bins' means are the nearest. Among centres it goes to the nearest ones.
    """
    if bins.borders is None:
        assert bins.centres is not None  # one of the two describes the bins
        return {"borders": None, "centres": bins.centres[bins.numbers >= 0].tolist()}
    filled, means = np.flatnonzero(bins.numbers >= 0), bins.coefficients[:, 1]
    between = (means[:-1] + means[1:]) / 2
    low, high = bins.borders[filled[:-1]], bins.borders[filled[1:] - 1]  # equal without an empty bin between them
    return {"borders": np.clip(between, low, high).tolist(), "centres": None}
