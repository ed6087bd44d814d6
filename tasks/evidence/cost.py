"""The cost of a method on a data set: passes and weights by its references, seconds as its manifests have them.

A forward pass is one image through one model. Passes are counted for serving new images one after the other, with
nothing in a store: the models that decide a sample's coefficients run first, then the merged model. Work that is done
once before the first image (learning coefficients, choosing the models of a soup, fitting a mixture) is no cost of a
sample.

| predictions | forward passes | merged models | extra parameters |
|---|---|---|---|
| of one model | 1 | 0 | 0 |
| of one merged model | 1 | 1 | 0 |
| of an ensemble of M models | M | 0 | (M − 1) P |
| of a merged model for each cluster or bin | J + 1 | clusters or bins | (M − 1) P |
| of a merged model for each sample | J + M | n | (M − 1) P |

P counts the parameters of a tower, and of its head where the checkpoint has one of its own. J counts the models whose
outputs decide the coefficients: none for random ones, and the weight average as one more (a merged model, kept too)
where its predictions serve as labels. A batch in which each sample has a model of its own takes M products where a
plain pass has one, hence M passes (docs/per-sample.md; measured for two ViT-B/32: 1.84).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from storage import keys
from storage.schemas import BINS, COMPONENTS
from storage.soundness import manifests
from storage.store import Store
from storage.tables import read_samples, read_table
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference, PredictionsReference
from tasks.references.results import Cell


class Needs(NamedTuple):
    """The part of a method's cost on the samples of a data set that is the same on every machine."""

    forward_passes: float
    """Passes of one model, for each sample."""
    merged_models: int
    """Sets of weights that are merged for these samples."""
    extra_parameters: int
    """Parameters to keep for new samples, beside those of one model."""


class Measured(NamedTuple):
    """The measured time of computing a method's predictions; None where a part of them was not measured."""

    seconds: float | None
    device: str | None
    """Names of the devices, joined with ` + `."""


class Cost(NamedTuple):
    """The cost of a method on the samples of one data set, or of several."""

    samples: int
    forward_passes: float
    merged_models: int
    extra_parameters: int
    seconds: float | None
    device: str | None

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of results on cost, by name.

        Example:
            >>> Cost(100, 4.0, 100, 87_849_216, 8.0, "cpu").columns["images_per_second"]
            12.5
        """
        rate = self.samples / self.seconds if self.seconds else None
        return {name: getattr(self, name) for name in _COLUMNS} | {"images_per_second": rate}


_COLUMNS = ("forward_passes", "merged_models", "extra_parameters", "seconds", "device")


class Costs:
    """The costs of cells. Cells share tables, whose manifests are read once.

    Args:
        store: holds the tables of the cells.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Measured] = {}

    def of(self, cell: Cell) -> Cost:
        """Return the cost of a method on a data set.

        Raises:
            StorageError: its clusters or bins cannot be read.
        """
        needs = needs_of(cell, groups_of(cell.predictions, self._store))
        return Cost(cell.predictions.dataset.samples, *needs, *self.measured(cell))

    def measured(self, cell: Cell) -> Measured:
        """Return the measured cost: of the predictions, and of all outputs that they need."""
        predictions = cell.predictions
        tables = list(_needed_outputs(predictions))
        found = [self._of_table(table) for table in tables]
        if not isinstance(predictions, OutputsReference):
            found.append(self._of_table(predictions))
        return _sum(found)

    def _of_table(self, table: PredictionsReference) -> Measured:
        if table.prefix not in self._known:
            found = manifests(self._store, table.prefix)
            spans = [keys.samples(table.prefix, span) for span in table.dataset.spans]
            parts = [_recorded(found[key].measured if key in found else {}) for key in spans]
            self._known[table.prefix] = _sum(parts)
        return self._known[table.prefix]


def needs_of(cell: Cell, groups: int | None = None) -> Needs:
    """Return the passes, merged models and parameters of a method on a data set, from references alone.

    Args:
        cell: the method on the data set.
        groups: the number of clusters or bins that have samples, from `groups_of`; None: the number that was asked for.

    Raises:
        ValueError: the number of parameters is needed and not known, or `groups` is needed for clusters by BIC.

    Example:
        Two models of 10 parameters, each sample with merged weights of its own:

        >>> from tasks.datasets.preprocessing import Preprocessing
        >>> from tasks.references.datasets import DatasetReference, ScoredDataset
        >>> from tasks.references.models import ModelReference
        >>> pixels = Preprocessing(size=224, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bicubic")
        >>> dataset = DatasetReference(name="d", url="d", group="id", digest="0123", samples=50, classes=2, limit=None,
        ...     preprocessing=pixels)
        >>> scored = ScoredDataset(dataset=dataset, head=None, precision="fp32")
        >>> models = [ModelReference(name=name, url=name, digest=name, temperature=1.0, architecture=None,
        ...     parameters=10) for name in ("base", "tuned")]
        >>> outputs = tuple(OutputsReference(model=model, scored=scored) for model in models)
        >>> own = CoefficientsReference(outputs=outputs, expertise="entropy", column="entropy", offset=True)
        >>> predictions = MergeReference(outputs=outputs, source=own)
        >>> needs_of(Cell(method="dawin/samples", predictions=predictions, uses_labels=False))
        Needs(forward_passes=4.0, merged_models=50, extra_parameters=10)
    """
    predictions, run = cell.predictions, _needed_outputs(cell.predictions)
    if isinstance(predictions, OutputsReference):
        return Needs(1.0, 0, 0)
    if isinstance(predictions, MergeReference) and isinstance(predictions.source, tuple):
        return Needs(1.0, 1, 0)
    judges = sum(outputs.model.made is not None for outputs in run)
    own, merged = _of_predictions(predictions, groups)
    kept = run if isinstance(predictions, EnsembleReference) else (*predictions.outputs, *run)
    return Needs(float(len(run) + own), merged + judges, _extra(kept))


def _of_predictions(predictions: MergeReference | EnsembleReference, groups: int | None) -> tuple[int, int]:
    """Return the passes beside those of the models that run first, and the number of models merged of coefficients."""
    if isinstance(predictions, EnsembleReference):
        return 0, 0
    if isinstance(predictions.source, CoefficientsReference):
        return len({outputs.model.digest for outputs in predictions.outputs}), predictions.dataset.samples
    assert not isinstance(predictions.source, tuple)  # one merged model for all samples
    return 1, _asked_groups(predictions.source) if groups is None else groups


def groups_of(predictions: PredictionsReference, store: Store) -> int | None:
    """Return the number of clusters or bins that have samples; None for predictions of another kind.

    Args:
        predictions: computed, with everything that they need.
        store: holds the clusters or bins.

    Raises:
        StorageError: they cannot be read.
    """
    if not isinstance(predictions, MergeReference):
        return None
    if isinstance(predictions.source, MixtureReference):
        table = read_table(store, predictions.source.components_key, COMPONENTS, ["samples"])
        return int((table["samples"].to_numpy() > 0).sum())
    if isinstance(predictions.source, BinsReference):
        return len(read_samples(store, predictions.source.prefix, BINS, ["bin"])["bin"].unique())
    return None


def joined(costs: Sequence[Cost]) -> Cost:
    """Return the cost of a method on several data sets together.

    Args:
        costs: of the method on each data set; at least one.

    Returns:
        Passes for each sample in the mean over all samples, models merged and seconds in all, and the parameters that
        serve all data sets. A method that keeps one model merges it once for all data sets. Seconds are None where a
        data set was not measured.

    Example:
        10 passes and 90, and 40 images in 10 seconds:

        >>> tuple(joined([Cost(10, 1.0, 1, 9, 2.0, "cpu"), Cost(30, 3.0, 2, 9, 8.0, "NVIDIA L4")]))
        (40, 2.5, 3, 9, 10.0, 'cpu + NVIDIA L4')
    """
    samples, extra = sum(cost.samples for cost in costs), max(cost.extra_parameters for cost in costs)
    merged = [cost.merged_models for cost in costs]
    return Cost(
        samples,
        sum(cost.forward_passes * cost.samples for cost in costs) / samples,
        sum(merged) if extra else max(merged),
        extra,
        *_sum([Measured(cost.seconds, cost.device) for cost in costs]),
    )


def _needed_outputs(predictions: PredictionsReference) -> tuple[OutputsReference, ...]:
    """Return the outputs that a sample needs before its prediction, each once: those of judged models and judges."""
    if isinstance(predictions, OutputsReference):
        return (predictions,)
    source = predictions.source if isinstance(predictions, MergeReference) else predictions.weighting
    own = () if isinstance(predictions, MergeReference) else predictions.outputs
    if isinstance(source, MixtureReference | BinsReference):
        source = source.coefficients
    if isinstance(source, CoefficientsReference) and source.seed is None:
        own = (*own, *source.outputs, *((source.judge,) if source.judge else ()))
    return tuple({outputs.content_id: outputs for outputs in own}.values())


def _asked_groups(source: MixtureReference | BinsReference) -> int:
    if isinstance(source, BinsReference):
        return source.bins
    if source.components == "auto":
        raise ValueError("clusters by BIC: wanted their number from `groups_of`, got none")
    return source.components


def _extra(outputs: Iterable[OutputsReference]) -> int:
    """Return the number of parameters of the models of outputs, all but one."""
    found = {one.model.digest: one for one in outputs}
    first = next(iter(found.values()))
    if len(found) == 1:
        return 0
    if first.model.parameters is None:
        raise ValueError(f"model {first.model.name}: wanted its number of parameters, which nobody has counted")
    own = first.model.parameters + (first.model.head_parameters if first.scored.head is None else 0)
    return (len(found) - 1) * own


def _recorded(measured: Mapping[str, Any]) -> Measured:
    """Return the measurement of one object; one that cannot be one counts as none."""
    seconds, device = measured.get("seconds"), measured.get("device")
    is_time = isinstance(seconds, int | float) and not isinstance(seconds, bool) and isfinite(seconds) and seconds >= 0
    if not is_time or not isinstance(device, str):
        return Measured(None, None)
    return Measured(float(seconds), device)  # type: ignore[arg-type]  # checked above


def _sum(parts: Sequence[Measured]) -> Measured:
    """Return the measurement of several parts together; without one of them, nothing is known."""
    seconds = [part.seconds for part in parts if part.seconds is not None]
    if not parts or len(seconds) < len(parts):
        return Measured(None, None)
    names = [name for part in parts if part.device for name in part.device.split(" + ")]
    return Measured(sum(seconds), " + ".join(dict.fromkeys(names)))
