"""Methods by name: which there are, and what each one's predictions are computed from."""

from collections.abc import Callable, Sequence

from tasks.derived import (
    BinsReference,
    Cell,
    CoefficientsReference,
    EnsembleReference,
    MergeReference,
    MixtureReference,
    PredictionsReference,
)
from tasks.references import OutputsReference

ALPHAS = tuple(f"{step / 10:.2f}" for step in range(11))

Outputs = tuple[OutputsReference, ...]
"""Of every model on one data set, the base first."""
Recipe = Callable[[Outputs], PredictionsReference]

_FAMILIES: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "individual": lambda models: [f"individual/{name}" for name in models],
    "wise-ft": lambda _models: [f"wise-ft/{alpha}" for alpha in ALPHAS],
    "weight-average": lambda _models: ["weight-average"],
    "output-ensemble": lambda _models: ["output-ensemble/uniform", "output-ensemble/dynamic"],
    "classifier-selection": lambda _models: ["classifier-selection"],
    "oracle": lambda _models: ["oracle/samples"],
}
BASELINES = tuple(_FAMILIES)


def matching(name: str, models: Sequence[str]) -> list[str]:
    """Return the methods that a name stands for: itself, or all of its family; none if there is no such method."""
    family = name.split("/", 1)[0]
    if family not in _FAMILIES:
        return []
    members = _FAMILIES[family](models)
    return members if name == family else [member for member in members if member == name]


def existing(name: str, models: Sequence[str]) -> str:
    """Return, in words, which methods there are, for one that is not: all families, and the members of its own."""
    family = name.split("/", 1)[0]
    members = f"; {family} of this experiment: {', '.join(matching(family, models))}" if family in _FAMILIES else ""
    return f"there are {', '.join(BASELINES)}{members}"


def static_merge(outputs: Outputs, coefficients: tuple[float, ...]) -> PredictionsReference:
    """Return the predictions of one merged model; with all the weight on one model they are that model's outputs."""
    for reference, coefficient in zip(outputs, coefficients, strict=True):
        if coefficient == 1.0 and sum(c != 0 for c in coefficients) == 1:
            return reference
    return MergeReference(outputs=outputs, source=coefficients)


def baseline(method: str, outputs: Outputs, coefficients: CoefficientsReference) -> Cell:
    """Return the cell of a baseline on one data set.

    With more than two models, WiSE-FT interpolates between the base and the average of the tuned ones.
    """
    count = len(outputs)
    family, _, member = method.partition("/")
    predictions: PredictionsReference
    if family == "individual":
        predictions = next(reference for reference in outputs if reference.model.name == member)
    elif family == "wise-ft":
        alpha = float(member)
        predictions = static_merge(outputs, (1.0 - alpha, *[alpha / (count - 1)] * (count - 1)))
    elif family == "weight-average":
        predictions = static_merge(outputs, (1.0 / count,) * count)
    elif family == "oracle":
        oracle = CoefficientsReference(outputs=outputs, expertise="oracle", offset=False)
        predictions = MergeReference(outputs=outputs, source=oracle)
    elif family == "classifier-selection":
        predictions = EnsembleReference(outputs=outputs, weighting="surest")
    else:
        predictions = EnsembleReference(outputs=outputs, weighting="uniform" if member == "uniform" else coefficients)
    return Cell(method=method, predictions=predictions, uses_labels=family == "oracle")


def dawin(granularity: str, mixture: MixtureReference, bins: BinsReference) -> Cell:
    """Return the cell of DaWin on one data set, by how finely it merges."""
    kinds: dict[str, tuple[str, CoefficientsReference | MixtureReference | BinsReference]] = {
        "clusters": (f"dawin/clusters-{mixture.components}", mixture),
        "bins": (f"dawin/bins-{bins.bins}", bins),
        "samples": ("dawin/samples", mixture.coefficients),
    }
    method, source = kinds[granularity]
    return Cell(method=method, predictions=MergeReference(outputs=mixture.outputs, source=source), uses_labels=False)
