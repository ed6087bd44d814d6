"""A plan: every table that a run computes, by reference, and the parts of them that a store holds already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from storage.soundness import Listing, counts_as_missing, is_committed, missing_spans, states
from storage.spans import Span
from storage.store import Store
from tasks.opening.former_outputs import former_prefix, former_spans
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.heads import TextHeadReference
from tasks.references.models import MadeModel
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference, PredictionsReference
from tasks.references.results import Cell, RunRecord
from tasks.streaming.reading import Reading

R = TypeVar(
    "R", OutputsReference, CoefficientsReference, MixtureReference, BinsReference, MergeReference, EnsembleReference
)

MERGED = "merged models"


class Passes(NamedTuple):
    """Forward passes, image by image."""

    needed: int
    reused: int


class Step(NamedTuple):
    """One line of a plan: a stage on a data set, and how much of it is missing."""

    stage: str
    dataset: str
    label: str
    """The models or tables of the line, in words."""
    samples: int
    """Samples × tables."""
    missing: int


@dataclass(frozen=True)
class Plan:
    """Everything that a run computes, by reference."""

    store: Store
    record: RunRecord
    outputs: tuple[tuple[OutputsReference, ...], ...]
    """For each data set, the outputs of every model."""
    cells: tuple[Cell, ...]
    reading: Reading
    remarks: tuple[str, ...] = ()
    """Findings of the check that are no faults, such as methods that leave out a data set."""

    def on(self, dataset: str) -> "Plan":
        """Return the part of the plan that concerns one data set."""
        outputs = tuple(found for found in self.outputs if found[0].dataset.name == dataset)
        cells = tuple(cell for cell in self.cells if cell.predictions.dataset.name == dataset)
        return replace(self, outputs=outputs, cells=cells)

    @property
    def datasets(self) -> list[DatasetReference]:
        """The data sets, in the experiment's order."""
        return [outputs[0].dataset for outputs in self.outputs]

    @property
    def notes(self) -> list[str]:
        """What a reader of the results should know before they are computed: warnings, one sentence each."""
        found = [f"data set {dataset.name}: {dataset.note}" for dataset in self.datasets if dataset.note]
        found += self.remarks
        if assumed := self.record.settings["assumed"]:
            remedy = (
                "an open_clip_config.json beside the base settles it, or `architecture`: an open_clip name, such as "
            )
            remedy += "ViT-B-32 (GELU) or ViT-B-32-quickgelu"
            found.append(f"architecture: {assumed}; {remedy}")
        return found

    def merges(self, dataset: DatasetReference) -> list[MergeReference]:
        """Return the merges to evaluate on a data set, equal ones once."""
        return _distinct(p for p in self._predictions(dataset) if isinstance(p, MergeReference))

    def ensembles(self, dataset: DatasetReference) -> list[EnsembleReference]:
        """Return the output ensembles on a data set, equal ones once."""
        return _distinct(p for p in self._predictions(dataset) if isinstance(p, EnsembleReference))

    @property
    def made_models(self) -> list[MadeModel]:
        """The models that methods make of others' weights, equal ones once."""
        references = [o for dataset in self.datasets for p in self._predictions(dataset) for o in _all_outputs(p)]
        references += [judge for dataset in self.datasets for judge in self.judges(dataset)]
        made = [reference.model.made for reference in references if reference.model.made]
        return list({one.digest: one for one in made}.values())

    @property
    def missing_models(self) -> list[MadeModel]:
        """The models to make now: those that a missing table needs and the store does not hold, and damaged ones."""
        models = self.made_models
        if not models:
            return []
        wanted = [o for d in self.datasets for merge in self.missing(self.merges(d)) for o in merge.outputs]
        wanted += [judge for d in self.datasets for judge in self.missing(self.judges(d))]
        digests = {o.model.made.digest for o in wanted if o.model.made}
        found = states(self.store, "made-models", only={model.key for model in models})
        damaged = {key for key, error in found.items() if counts_as_missing(error)}
        return [m for m in models if m.key in damaged or (m.digest in digests and m.key not in found)]

    @property
    def damaged_heads(self) -> list[TextHeadReference]:
        """Heads made of class names that are damaged in the store. A missing head is made when a model needs it."""
        heads = [o.scored.head for of_dataset in self.outputs for o in of_dataset]
        made = [head for head in dict.fromkeys(heads) if isinstance(head, TextHeadReference)]
        if not made:
            return []
        found = states(self.store, "heads", only={head.key for head in made})
        damaged = {key for key, error in found.items() if counts_as_missing(error)}
        return [head for head in made if head.key in damaged]

    def judges(self, dataset: DatasetReference) -> list[OutputsReference]:
        """Return the outputs on a data set of models whose predictions serve as labels."""
        return _distinct(c.judge for c in self.coefficients(dataset) if c.judge)

    @property
    def former_outputs(self) -> list[OutputsReference]:
        """Return the outputs of which the store holds missing spans in the form of an earlier version of dawin."""
        view = _View(self.store)
        return [outputs for dataset in self.datasets for outputs in self._outputs(dataset) if view.former(outputs)]

    def streamed(self, dataset: DatasetReference) -> list[MergeReference]:
        """Return the merges to evaluate in the pass that extracts: all missing ones, if none waits for a fit.

        If one waits, a second pass over the images is needed anyway, and it evaluates all merges.
        """
        missing = self.missing(self.merges(dataset))
        return missing if all(merge.is_local for merge in missing) else []

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

    def missing(self, references: Sequence[R]) -> list[R]:
        """Return those references whose tables are not complete in the store."""
        view = _View(self.store)
        return [reference for reference in references if view.missing(reference)]

    @property
    def has_results(self) -> bool:
        """Whether the store holds the results, which a run writes last."""
        return is_committed(self.store, self.record.key, contents=True)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to run: the store holds the results and every table that they point to."""
        return self.has_results and not any(step.missing for step in self.steps())

    def steps(self) -> list[Step]:
        """Return the plan line by line, stage by stage, with how much of each line is missing."""
        found, view = list[Step](), _View(self.store)

        def add(stage: str, label: str, references: Sequence[R], upgraded: int = 0) -> None:
            if references:
                dataset = references[0].dataset
                missing = sum(span.length for one in references for span in view.missing(one)) - upgraded
                found.append(Step(stage, dataset.name, label, dataset.samples * len(references), missing))

        for dataset in self.datasets:
            for reference in self._outputs(dataset):
                upgraded = sum(span.length for span in view.former(reference))
                if upgraded:
                    found.append(Step("upgrade", dataset.name, reference.model.name, upgraded, upgraded))
                add("extract", reference.model.name, [reference], upgraded)
            add("fit", "coefficients", self.coefficients(dataset))
            add("fit", "mixtures", self.mixtures(dataset))
            add("fit", "bins", self.bins(dataset))
            add("evaluate", MERGED, self.merges(dataset))
            add("evaluate", "output ensembles", self.ensembles(dataset))
        missing = {model.digest for model in self.missing_models}
        found += [Step("merge", "", m.method, 1, int(m.digest in missing)) for m in self.made_models]
        found += [Step("merge", "", f"head {head.digest}", 1, 1) for head in self.damaged_heads]
        order = {"upgrade": 0, "extract": 1, "merge": 2, "fit": 3, "evaluate": 4}
        return sorted(found, key=lambda step: order[step.stage])

    @property
    def forward_passes(self) -> "Passes":
        """How often an image goes through a model, learning aside; equal merges count once, upgrades as reused."""
        run = [step for step in self.steps() if step.stage == "extract" or step.label == MERGED]
        needed = sum(step.missing for step in run)
        return Passes(needed, sum(step.samples for step in run) - needed)

    def _outputs(self, dataset: DatasetReference) -> list[OutputsReference]:
        """Return all outputs to extract on a data set: of the experiment's models, and of judges."""
        own = next(outputs for outputs in self.outputs if outputs[0].dataset == dataset)
        return [*own, *self.judges(dataset)]

    def _predictions(self, dataset: DatasetReference) -> list[PredictionsReference]:
        return [cell.predictions for cell in self.cells if cell.predictions.dataset == dataset]


class _View:
    """The tables of a plan that a store holds at one moment: one listing per table and data set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listings: dict[str, Listing] = {}

    def missing(self, reference: R) -> list[Span]:
        """Return the spans of a table that are not in the store."""
        spans = reference.dataset.spans
        missing = missing_spans(self._store, reference.prefix, spans, listing=self._listing(reference.prefix))
        if isinstance(reference, MixtureReference):
            components = reference.components_key
            found = states(self._store, "", only=(components,), listing=self._listing(components))
            return spans if components not in found or counts_as_missing(found[components]) else missing
        return missing

    def former(self, reference: OutputsReference) -> list[Span]:
        """Return the missing spans of outputs that the store holds in the form of an earlier version."""
        return former_spans(
            reference, self.missing(reference), self._store, listing=self._listing(former_prefix(reference))
        )

    def _listing(self, key: str) -> Listing:
        folder = "/".join(key.split("/")[:2])  # table and data set
        if folder not in self._listings:
            self._listings[folder] = self._store.listing(folder)
        return self._listings[folder]


def _all_outputs(predictions: PredictionsReference) -> tuple[OutputsReference, ...]:
    return (predictions,) if isinstance(predictions, OutputsReference) else predictions.outputs


def _distinct(references: Iterable[R]) -> list[R]:
    return list({reference.id: reference for reference in references}.values())
