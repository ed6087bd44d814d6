"""A plan: what an experiment comes down to, and what of it a store holds already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from storage.soundness import Listing, counts_as_missing, is_committed, missing_spans, states
from storage.spans import Span
from storage.store import Store
from tasks.references.base import DatasetReference, OutputsReference, TextHeadReference, WeightMerge
from tasks.references.derived import (
    BinsReference,
    Cell,
    CoefficientsReference,
    EnsembleReference,
    MergeReference,
    MixtureReference,
    PredictionsReference,
    RunRecord,
)

R = TypeVar(
    "R", OutputsReference, CoefficientsReference, MixtureReference, BinsReference, MergeReference, EnsembleReference
)


MERGED = "merged models"


class Passes(NamedTuple):
    """Forward passes, image by image."""

    needed: int
    reused: int


class Step(NamedTuple):
    """One line of a plan: a kind of work on a data set, and how much of it is there."""

    stage: str
    dataset: str
    what: str
    samples: int
    """Samples × tables."""
    lacking: int


@dataclass(frozen=True)
class Plan:
    """Everything that a run computes, by reference."""

    store: Store
    record: RunRecord
    outputs: tuple[tuple[OutputsReference, ...], ...]
    """For each data set, those of every model."""
    cells: tuple[Cell, ...]

    def on(self, dataset: str) -> "Plan":
        """Return what of it concerns one data set."""
        outputs = tuple(found for found in self.outputs if found[0].dataset.name == dataset)
        cells = tuple(cell for cell in self.cells if cell.predictions.dataset.name == dataset)
        return replace(self, outputs=outputs, cells=cells)

    @property
    def datasets(self) -> list[DatasetReference]:
        """The data sets, in the experiment's order."""
        return [outputs[0].dataset for outputs in self.outputs]

    def merges(self, dataset: DatasetReference) -> list[MergeReference]:
        """Return the merges to evaluate on a data set, equal ones once."""
        return _distinct(p for p in self._predictions(dataset) if isinstance(p, MergeReference))

    def ensembles(self, dataset: DatasetReference) -> list[EnsembleReference]:
        """Return the output ensembles on a data set."""
        return _distinct(p for p in self._predictions(dataset) if isinstance(p, EnsembleReference))

    @property
    def recipes(self) -> list[WeightMerge]:
        """The models to make of others' weights, equal ones once."""
        references = [o for dataset in self.datasets for p in self._predictions(dataset) for o in _all_outputs(p)]
        references += [judge for dataset in self.datasets for judge in self.judges(dataset)]
        made = [reference.model.recipe for reference in references if reference.model.recipe]
        return list({recipe.digest: recipe for recipe in made}.values())

    @property
    def lacking_recipes(self) -> list[WeightMerge]:
        """Those models that something lacking needs and that are not in the store, and those that are damaged there."""
        recipes = self.recipes
        if not recipes:
            return []
        wanted = [o for d in self.datasets for merge in self.lacking(self.merges(d)) for o in merge.outputs]
        wanted += [judge for d in self.datasets for judge in self.lacking(self.judges(d))]
        digests = {o.model.recipe.digest for o in wanted if o.model.recipe}
        found = states(self.store, "made-models", only={recipe.key for recipe in recipes})
        damaged = {key for key, error in found.items() if counts_as_missing(error)}
        return [r for r in recipes if r.key in damaged or (r.digest in digests and r.key not in found)]

    @property
    def damaged_heads(self) -> list[TextHeadReference]:
        """Heads made of class names that are damaged in the store; those not made yet are made when they are needed."""
        made = [o.head for outputs in self.outputs for o in outputs if isinstance(o.head, TextHeadReference)]
        if not made:
            return []
        found = states(self.store, "heads", only={head.key for head in made})
        damaged = {key for key, error in found.items() if counts_as_missing(error)}
        return [head for head in dict.fromkeys(made) if head.key in damaged]

    def judges(self, dataset: DatasetReference) -> list[OutputsReference]:
        """Return the outputs on a data set of models whose predictions serve as labels."""
        return _distinct(c.judge for c in self.coefficients(dataset) if c.judge)

    def streamed(self, dataset: DatasetReference) -> list[MergeReference]:
        """Return the merges that are evaluated in the pass that extracts: all that lack, if none has to wait for a fit.

        Where one has to, there is a second pass over the images anyway, and all merges are left to it.
        """
        lacking = self.lacking(self.merges(dataset))
        return lacking if all(merge.is_local for merge in lacking) else []

    def mixtures(self, dataset: DatasetReference) -> list[MixtureReference]:
        """Return the mixtures to fit on a data set."""
        return _distinct(m.source for m in self.merges(dataset) if isinstance(m.source, MixtureReference))

    def bins(self, dataset: DatasetReference) -> list[BinsReference]:
        """Return the bins to cut on a data set."""
        return _distinct(m.source for m in self.merges(dataset) if isinstance(m.source, BinsReference))

    def coefficients(self, dataset: DatasetReference) -> list[CoefficientsReference]:
        """Return the coefficients to compute on a data set."""
        sources = [m.source for m in self.merges(dataset)] + [e.weighting for e in self.ensembles(dataset)]
        own = [source for source in sources if isinstance(source, CoefficientsReference)]
        own += [mixture.coefficients for mixture in self.mixtures(dataset)]
        own += [bins.coefficients for bins in self.bins(dataset)]
        return _distinct(own)

    def lacking(self, references: Sequence[R]) -> list[R]:
        """Return those references whose tables are not complete in the store."""
        view = _View(self.store)
        return [reference for reference in references if view.missing(reference)]

    @property
    def has_results(self) -> bool:
        """Whether the results are there, which are written last."""
        return is_committed(self.store, self.record.key, contents=True)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to run: the results are there, and every table that they point to."""
        return self.has_results and not any(step.lacking for step in self.steps())

    def steps(self) -> list[Step]:
        """Return the plan line by line, stage by stage, with what is there already."""
        found, view = list[Step](), _View(self.store)

        def add(stage: str, what: str, references: Sequence[R]) -> None:
            if references:
                dataset = references[0].dataset
                lacking = sum(stop - start for one in references for start, stop in view.missing(one))
                found.append(Step(stage, dataset.name, what, dataset.samples * len(references), lacking))

        for dataset, outputs in zip(self.datasets, self.outputs, strict=True):
            for reference in (*outputs, *self.judges(dataset)):
                add("extract", reference.model.name, [reference])
            add("fit", "coefficients", self.coefficients(dataset))
            add("fit", "mixtures", self.mixtures(dataset))
            add("fit", "bins", self.bins(dataset))
            add("evaluate", MERGED, self.merges(dataset))
            add("evaluate", "output ensembles", self.ensembles(dataset))
        lacking = {recipe.digest for recipe in self.lacking_recipes}
        found += [Step("merge", "", r.method, 1, int(r.digest in lacking)) for r in self.recipes]
        found += [Step("merge", "", f"head {head.digest}", 1, 1) for head in self.damaged_heads]
        order = {"extract": 0, "merge": 1, "fit": 2, "evaluate": 3}
        return sorted(found, key=lambda step: order[step.stage])

    @property
    def forward_passes(self) -> "Passes":
        """How often an image goes through a model, learning aside; equal merges count once."""
        run = [step for step in self.steps() if step.stage == "extract" or step.what == MERGED]
        needed = sum(step.lacking for step in run)
        return Passes(needed, sum(step.samples for step in run) - needed)

    def _predictions(self, dataset: DatasetReference) -> list[OutputsReference | MergeReference | EnsembleReference]:
        return [cell.predictions for cell in self.cells if cell.predictions.dataset == dataset]


class _View:
    """What a store holds of a plan's tables at one moment: a listing for each table of each data set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listings: dict[str, Listing] = {}

    def missing(self, reference: R) -> list[Span]:
        """Return the sample ranges of a table that are not in the store."""
        fitted = isinstance(reference, CoefficientsReference | MixtureReference | BinsReference)
        # a fit sees all samples: one object
        ranges = [Span(0, reference.dataset.samples)] if fitted else reference.dataset.spans
        missing = missing_spans(self._store, reference.prefix, ranges, listing=self._listing(reference.prefix))
        if isinstance(reference, MixtureReference):
            components = reference.components_key
            found = states(self._store, "", only=(components,), listing=self._listing(components))
            return ranges if components not in found or counts_as_missing(found[components]) else missing
        return missing

    def _listing(self, key: str) -> Listing:
        folder = "/".join(key.split("/")[:2])  # table and data set
        if folder not in self._listings:
            self._listings[folder] = self._store.listing(folder)
        return self._listings[folder]


def _all_outputs(predictions: PredictionsReference) -> tuple[OutputsReference, ...]:
    return (predictions,) if isinstance(predictions, OutputsReference) else predictions.outputs


def _distinct(references: Iterable[R]) -> list[R]:
    return list({reference.id: reference for reference in references}.values())
