"""What each method's predictions are computed from: a cell of the results table for a method and a data set."""

from collections.abc import Callable
from dataclasses import dataclass

from tasks.references.base import ModelReference, OutputsReference
from tasks.references.derived import (
    BinsReference,
    Cell,
    CoefficientsReference,
    EnsembleReference,
    MergeReference,
    MixtureReference,
    PredictionsReference,
)

_MERGED = ("ties", "tsv-merge", "iso-c", "greedy-soup", "model-stock", "adamerging")

Outputs = tuple[OutputsReference, ...]
"""Of every model on one data set, the base first."""


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """What methods on one data set are made of.

    Attributes:
        outputs: of every model, the base first.
        coefficients: every sample's own, as the experiment wants them.
        scale: of task vectors; None: models are interpolated.
        seed: of what is random.
        held_out: the data set that a method may choose by, whose labels it then uses.
        merged: gives the model that a method makes of the others' weights.
    """

    outputs: Outputs
    coefficients: CoefficientsReference
    scale: float | None
    seed: int
    merged: Callable[[str], ModelReference]
    held_out: str | None = None

    @property
    def judged(self) -> Outputs:
        """Of the models whose expertise counts: all that interpolate, or those that task vectors lead to."""
        return self.coefficients.outputs


def cell(method: str, of: Ingredients) -> Cell:
    """Return the cell of a baseline."""
    family = method.partition("/")[0]
    predictions = _merged_weights(method, of) if family in _MERGED else _RECIPES[family](method.partition("/")[2], of)
    chosen_here = family == "greedy-soup" and of.outputs[0].dataset.name == of.held_out
    return Cell(method=method, predictions=predictions, uses_labels=family == "oracle" or chosen_here)


def static_merge(outputs: Outputs, coefficients: tuple[float, ...]) -> PredictionsReference:
    """Return the predictions of one merged model; with all the weight on one model they are that model's outputs."""
    for reference, coefficient in zip(outputs, coefficients, strict=True):
        if coefficient == 1.0 and sum(c != 0 for c in coefficients) == 1 and reference.model.recipe is None:
            return reference
    kept = [(o, c) for o, c in zip(outputs, coefficients, strict=True) if c or not o.model.recipe]
    return MergeReference(outputs=tuple(o for o, _ in kept), source=tuple(c for _, c in kept))


def _individual(member: str, of: Ingredients) -> PredictionsReference:
    return next(reference for reference in of.outputs if reference.model.name == member)


def _wise_ft(member: str, of: Ingredients) -> PredictionsReference:
    """Interpolate between the base and the average of the tuned models."""
    alpha, tuned = float(member), len(of.outputs) - 1
    return static_merge(of.outputs, (1.0 - alpha, *[alpha / tuned] * tuned))


def _weight_average(_member: str, of: Ingredients) -> PredictionsReference:
    return static_merge(of.outputs, (1.0 / len(of.outputs),) * len(of.outputs))


def _uniform_soup(_member: str, of: Ingredients) -> PredictionsReference:
    return _wise_ft("1.00", of)


def _task_arithmetic(member: str, of: Ingredients) -> PredictionsReference:
    scale, tuned = float(member), len(of.outputs) - 1
    return static_merge(of.outputs, (1.0 - scale * tuned, *[scale] * tuned))


def _merged_weights(method: str, of: Ingredients) -> PredictionsReference:
    """Scale between the base and the model that a method makes at scale 1; most are taken as they are."""
    family, _, member = method.partition("/")
    scaled = family in ("ties", "tsv-merge", "iso-c")
    model = of.merged(family if scaled else method)
    base = of.outputs[0]
    made = OutputsReference(
        model=model, dataset=base.dataset, head=base.head, precision=base.precision, logits=base.logits
    )
    scale = float(member) if scaled else 1.0
    return static_merge((base, made), (1.0 - scale, scale))


def _ensemble(member: str, of: Ingredients) -> PredictionsReference:
    return EnsembleReference(outputs=of.judged, weighting="uniform" if member == "uniform" else of.coefficients)


def _selection(_member: str, of: Ingredients) -> PredictionsReference:
    return EnsembleReference(outputs=of.judged, weighting="surest")


def _random(member: str, of: Ingredients) -> PredictionsReference:
    drawn = CoefficientsReference(outputs=of.judged, expertise=f"random-{member}", offset=False, seed=of.seed)
    return MergeReference(outputs=of.outputs, source=drawn, scale=of.scale)


def _oracle(_member: str, of: Ingredients) -> PredictionsReference:
    told = CoefficientsReference(outputs=of.judged, expertise="oracle", offset=False)
    return MergeReference(outputs=of.outputs, source=told, scale=of.scale)


_RECIPES: dict[str, Callable[[str, Ingredients], PredictionsReference]] = {
    "individual": _individual,
    "wise-ft": _wise_ft,
    "weight-average": _weight_average,
    "uniform-soup": _uniform_soup,
    "task-arithmetic": _task_arithmetic,
    "output-ensemble": _ensemble,
    "classifier-selection": _selection,
    "random": _random,
    "oracle": _oracle,
}


def dawin(granularity: str, of: Ingredients, mixture: MixtureReference, bins: BinsReference, suffix: str) -> Cell:
    """Return the cell of DaWin, by how finely it merges."""
    kinds: dict[str, tuple[str, CoefficientsReference | MixtureReference | BinsReference]] = {
        "clusters": (f"dawin/clusters-{mixture.components}", mixture),
        "bins": (f"dawin/bins-{bins.bins}", bins),
        "samples": ("dawin/samples", of.coefficients),
    }
    method, source = kinds[granularity]
    merge = MergeReference(outputs=of.outputs, source=source, scale=of.scale)
    return Cell(method=f"{method}{suffix}", predictions=merge, uses_labels=False)
