"""A plan: every table that a run computes, by reference, and the parts of them that a store holds already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

from flows.planning.plan_look import PlanLook, Table
from storage.open_looks import look_again
from storage.spans import Span
from storage.store import Store
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
    """Everything that a run computes, by reference.

    All questions about the store share one look at it, until this process commits a table. After other processes have
    committed tables, call `look_again`.
    """

    store: Store
    record: RunRecord
    outputs: tuple[tuple[OutputsReference, ...], ...]
    """For each data set, the outputs of every model."""
    cells: tuple[Cell, ...]
    reading: Reading
    remarks: tuple[str, ...] = ()
    """Findings of the check that are no faults, such as methods that leave out a data set."""
    all_logits: bool = False
    """Whether all outputs need their logits, such as for a calibration."""
    needs_outputs: bool = True
    """Whether every model's own outputs are extracted; merged models with the same coefficients for all samples need
    none."""
    ends_in: Literal["results", "file"] = "results"
    """The end of the run: results of all cells, or one file of predictions."""

    @cached_property
    def _look(self) -> PlanLook:
        outputs = [o for dataset in self.datasets for o in self._outputs(dataset)]
        tables = [
            table
            for dataset in self.datasets
            for kind in (self.coefficients, self.mixtures, self.bins, self.merges, self.ensembles)
            for table in kind(dataset)
        ]
        return PlanLook(self.store, self.record, outputs, tables, all_logits=self.all_logits)

    def look_again(self) -> None:
        """Forget which tables the store held: other processes have committed some, or found some damaged."""
        look_again(self.store.url)
        self._look.renew()

    def recall_manifests(self) -> None:
        """Read the manifests of the plan's tables that an earlier run left on S3 together; a look does so by itself."""
        self._look.recall_manifests()

    def leave_manifests(self) -> None:
        """Make the next look at the plan's tables cheap on S3: it then reads one object in place of each manifest."""
        self._look.leave_manifests()

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
        return found + self._look.notes()

    def merges(self, dataset: DatasetReference) -> list[MergeReference]:
        """Return the merges to evaluate on a data set, equal ones once."""
        return _distinct(p for p in self._predictions(dataset) if isinstance(p, MergeReference))

    def ensembles(self, dataset: DatasetReference) -> list[EnsembleReference]:
        """Return the output ensembles on a data set, equal ones once."""
        return _distinct(p for p in self._predictions(dataset) if isinstance(p, EnsembleReference))

    @cached_property
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
        found = self._look.damaged([model.key for model in models])
        return [m for m in models if found.get(m.key, m.digest in digests)]

    @property
    def damaged_heads(self) -> list[TextHeadReference]:
        """Heads made of class names that are damaged in the store. A missing head is made when a model needs it."""
        heads = [o.scored.head for of_dataset in self.outputs for o in of_dataset]
        made = {head.key: head for head in heads if isinstance(head, TextHeadReference)}
        found = self._look.damaged(list(made))
        return [head for key, head in made.items() if found.get(key)]

    def judges(self, dataset: DatasetReference) -> list[OutputsReference]:
        """Return the outputs on a data set of models whose predictions serve as labels."""
        return _distinct(c.judge for c in self.coefficients(dataset) if c.judge)

    @property
    def former_outputs(self) -> list[OutputsReference]:
        """Return the outputs of which the store holds missing spans in the form of an earlier version of dawin."""
        look = self._look
        return [outputs for dataset in self.datasets for outputs in self._outputs(dataset) if look.former(outputs)]

    def streamed(self, dataset: DatasetReference) -> list[MergeReference]:
        """Return the merges to evaluate in the pass that extracts: all missing ones, if no merge waits for a fit.

        If one waits, a second pass over the images is needed anyway, and it evaluates all merges. This counts merges
        that the store holds too: the pass, and with it the last bits of predictions, must not depend on where an
        earlier run was killed.
        """
        merges = self.merges(dataset)
        return self.missing(merges) if all(merge.is_local for merge in merges) else []

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
        return [reference for reference in references if self._look.missing(reference)]

    def missing_samples(self, references: Sequence[R]) -> int:
        """Return the number of samples × tables that the store does not hold."""
        return sum(span.length for reference in references for span in self._look.missing(reference))

    def missing_spans(self, reference: Table) -> list[Span]:
        """Return the spans of a table that the store does not hold."""
        return self._look.missing(reference)

    def spans_to_extract(self, dataset: DatasetReference) -> list[Span]:
        """Return the spans that the pass over a data set reads that extracts the models' own outputs, in order."""
        own = self.extracted(dataset)
        if not self.missing(own):
            return []
        tables: list[Table] = [*own, *self.streamed(dataset)]
        missing = {span for one in tables for span in self._look.missing(one)}
        return [span for span in dataset.spans if span in missing]

    def needed_logits(self, outputs: Iterable[OutputsReference]) -> dict[str, list[Span]]:
        """Return the spans whose logits a missing table needs, by prefix of the outputs."""
        return {reference.prefix: self._look.logits(reference) for reference in outputs}

    @property
    def has_results(self) -> bool:
        """Whether the store holds the results, which a run writes last."""
        return self._look.has_results

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to run: the store holds the results and every table that they point to."""
        return self.has_results and not any(step.missing for step in self.steps())

    def steps(self) -> list[Step]:
        """Return the plan line by line, stage by stage, with how much of each line is missing."""
        found, look = list[Step](), self._look

        def add(stage: str, label: str, references: Sequence[R], upgraded: int = 0) -> None:
            if references:
                dataset = references[0].dataset
                missing = sum(span.length for one in references for span in look.missing(one)) - upgraded
                found.append(Step(stage, dataset.name, label, dataset.samples * len(references), missing))

        for dataset in self.datasets:
            for reference in self._outputs(dataset):
                upgraded = sum(span.length for span in look.former(reference))
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

    def extracted(self, dataset: DatasetReference) -> list[OutputsReference]:
        """Return the outputs of the experiment's own models to extract on a data set."""
        own = next(outputs for outputs in self.outputs if outputs[0].dataset == dataset)
        return list(own) if self.needs_outputs else []

    def _outputs(self, dataset: DatasetReference) -> list[OutputsReference]:
        """Return all outputs to extract on a data set: of the experiment's models, and of judges."""
        return [*self.extracted(dataset), *self.judges(dataset)]

    def _predictions(self, dataset: DatasetReference) -> list[PredictionsReference]:
        return self._by_dataset.get(dataset.name, [])

    @cached_property
    def _by_dataset(self) -> dict[str, list[PredictionsReference]]:
        found = dict[str, list[PredictionsReference]]()
        for cell in self.cells:
            found.setdefault(cell.predictions.dataset.name, []).append(cell.predictions)
        return found


def _all_outputs(predictions: PredictionsReference) -> tuple[OutputsReference, ...]:
    return (predictions,) if isinstance(predictions, OutputsReference) else predictions.outputs


def _distinct(references: Iterable[R]) -> list[R]:
    return list({reference.id: reference for reference in references}.values())
