"""A plan: what an experiment comes down to, and what of it a store holds already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from storage.manifests import is_committed, missing_ranges
from storage.store import Store
from tasks.derived import (
    BinsReference,
    Cell,
    CoefficientsReference,
    EnsembleReference,
    MergeReference,
    MixtureReference,
    PredictionsReference,
    RunRecord,
)
from tasks.references import DatasetReference, OutputsReference, WeightMerge

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
        """Those models that are not in the store, and that something lacking needs."""
        wanted = [o for d in self.datasets for merge in self.lacking(self.merges(d)) for o in merge.outputs]
        wanted += [judge for d in self.datasets for judge in self.lacking(self.judges(d))]
        digests = {o.model.recipe.digest for o in wanted if o.model.recipe}
        return [recipe for recipe in self.recipes if recipe.digest in digests and not self.store.exists(recipe.key)]

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
        return [reference for reference in references if self._missing(reference)]

    @property
    def has_results(self) -> bool:
        """Whether the results are there, which are written last."""
        return is_committed(self.store, self.record.key)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to run: the results are there, and every table that they point to."""
        return self.has_results and not any(step.lacking for step in self.steps())

    def steps(self) -> list[Step]:
        """Return the plan line by line, stage by stage, with what is there already."""
        found = []
        for dataset, outputs in zip(self.datasets, self.outputs, strict=True):
            for reference in outputs:
                found.append(self._step("extract", reference.model.name, [reference]))
            for judge in self.judges(dataset):
                found.append(self._step("extract", judge.model.name, [judge]))
            found.append(self._step("fit", "coefficients", self.coefficients(dataset)))
            found.append(self._step("fit", "mixtures", self.mixtures(dataset)))
            found.append(self._step("fit", "bins", self.bins(dataset)))
            found.append(self._step("evaluate", MERGED, self.merges(dataset)))
            found.append(self._step("evaluate", "output ensembles", self.ensembles(dataset)))
        lacking = {recipe.digest for recipe in self.lacking_recipes}
        found += [Step("merge", "", r.method, 1, int(r.digest in lacking)) for r in self.recipes]
        order = {"extract": 0, "merge": 1, "fit": 2, "evaluate": 3}
        return sorted((step for step in found if step.samples), key=lambda step: order[step.stage])

    @property
    def forward_passes(self) -> "Passes":
        """How often an image goes through a model, learning aside; equal merges count once."""
        run = [step for step in self.steps() if step.stage == "extract" or step.what == MERGED]
        needed = sum(step.lacking for step in run)
        return Passes(needed, sum(step.samples for step in run) - needed)

    def _step(self, stage: str, what: str, references: Sequence[R]) -> Step:
        if not references:
            return Step(stage, "", what, 0, 0)
        dataset = references[0].dataset
        lacking = sum(stop - start for reference in references for start, stop in self._missing(reference))
        return Step(stage, dataset.name, what, dataset.samples * len(references), lacking)

    def _missing(self, reference: R) -> list[tuple[int, int]]:
        samples = reference.dataset.samples
        # a fit sees all samples: one object
        whole = isinstance(reference, CoefficientsReference | MixtureReference | BinsReference)
        return missing_ranges(self.store, reference.prefix, [(0, samples)] if whole else reference.dataset.spans)

    def _predictions(self, dataset: DatasetReference) -> list[OutputsReference | MergeReference | EnsembleReference]:
        return [cell.predictions for cell in self.cells if cell.predictions.dataset == dataset]


def _all_outputs(predictions: PredictionsReference) -> tuple[OutputsReference, ...]:
    return (predictions,) if isinstance(predictions, OutputsReference) else predictions.outputs


def _distinct(references: Iterable[R]) -> list[R]:
    return list({reference.id: reference for reference in references}.values())
