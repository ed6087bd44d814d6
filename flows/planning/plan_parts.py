"""The parts of a run and their order: each stage of each data set, and each made model, with the parts it waits for.

A data set goes through its stages without waiting for other data sets. Only a made model can wait for several: for the
outputs that its method reads. An evaluation waits for the made models that its own merges need.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Literal, NamedTuple

from flows.planning.plan import Plan
from flows.planning.plan_look import Table
from tasks.methods.registry import method_of
from tasks.references.coefficients import CoefficientsReference
from tasks.references.datasets import DatasetReference
from tasks.references.models import MadeModel
from tasks.references.predictions import MergeReference

Stage = Literal["extract", "make", "judge", "fit", "evaluate", "evaluate learnt", "mix"]

_LEARNING = 3  # passes that a step of learning costs for each image: forward, and twice as much backward


class Part(NamedTuple):
    """A part of a run: a stage of one data set, or one made model."""

    name: str
    """In words, unique in the run: `extract clean`, `make ties`."""
    stage: Stage
    """`judge` extracts outputs of made models that serve as labels; `evaluate learnt` evaluates, on a pool, the merges
    whose made models look at images, which take long to make."""
    dataset: str
    """Name of the data set; empty for a made model."""
    model: str
    """Digest of the made model; empty for a stage of a data set."""
    waits_for: tuple[str, ...]
    """Names of the parts that come before it."""
    passes: int
    """Forward passes that are missing, image by image; an estimate where a method learns."""
    missing: int
    """Samples × tables, tables or models that are missing."""

    @property
    def subject(self) -> str:
        """The data set or the made model, in words."""
        return f"data set {self.dataset}" if self.dataset else f"made model {self.name.removeprefix('make ')}"


def parts_of(plan: Plan, *, on_pool: bool) -> list[Part]:
    """Return the parts of a run, data set by data set, then the made models; complete ones are among them.

    Args:
        plan: the plan of the run.
        on_pool: whether workers of a pool compute it. A data set is then evaluated before the models that look at
            images are made, and again with them: one more pass over the images, but no worker waits.
    """
    names = _model_names(plan.made_models)
    found = [part for dataset in plan.datasets for part in _of_dataset(plan, dataset, names, on_pool=on_pool)]
    missing, here = {made.digest for made in plan.missing_models}, {dataset.name for dataset in plan.datasets}
    return found + [_of_model(made, names[made.digest], made.digest in missing, here) for made in plan.made_models]


def merges_of(plan: Plan, dataset: DatasetReference, stage: Stage, *, on_pool: bool) -> list[MergeReference]:
    """Return the merges that a stage of a data set evaluates.

    Args:
        plan: the plan of the run.
        dataset: one of its data sets.
        stage: `evaluate` or `evaluate learnt`.
        on_pool: as for `parts_of`.
    """
    merges = plan.merges(dataset)
    if not on_pool:
        return merges if stage == "evaluate" else []
    return [merge for merge in merges if merge.is_learnt == (stage == "evaluate learnt")]


def _model_names(models: Sequence[MadeModel]) -> dict[str, str]:
    """Return the name of each made model's part, by digest: its method's, with the digest if several share it."""
    methods = [made.method for made in models]
    return {
        m.digest: f"make {m.method}" if methods.count(m.method) == 1 else f"make {m.method} ({m.digest[:8]})"
        for m in models
    }


def _of_model(made: MadeModel, name: str, is_missing: bool, datasets: Collection[str]) -> Part:
    """Return the part that makes a model; of the data sets that it looks at, it waits for those of the plan."""
    waits = [one for one in made.looks_at if one.dataset.name in datasets and method_of(made.method).reads_outputs]
    options, images = dict(made.options), sum(scored.dataset.samples for scored in made.looks_at)
    passes = len(made.models) * images
    if "steps" in options:
        passes = _LEARNING * int(options["steps"]) * int(options.get("batch_size", 1)) * len(made.looks_at)
    return Part(
        name=name,
        stage="make",
        dataset="",
        model=made.digest,
        waits_for=tuple(f"extract {scored.dataset.name}" for scored in waits),
        passes=passes if is_missing else 0,
        missing=int(is_missing),
    )


def _of_dataset(plan: Plan, dataset: DatasetReference, models: dict[str, str], *, on_pool: bool) -> Iterator[Part]:
    """Yield the parts of a data set in their order, with the names of made models' parts by digest."""
    name = dataset.name
    own = plan.extracted(dataset)
    judges, ensembles = plan.judges(dataset), plan.ensembles(dataset)
    fitted: list[Table] = [*plan.coefficients(dataset), *plan.mixtures(dataset), *plan.bins(dataset)]

    def part(stage: Stage, label: str, passes: int, waits_for: Sequence[str], missing: int | None = None) -> Part:
        count = passes if missing is None else missing
        return Part(label, stage, name, "", tuple(dict.fromkeys(waits_for)), passes, count)

    outputs = plan.missing_samples(own)
    streamed = plan.missing_samples(plan.streamed(dataset)) if outputs else 0  # in the pass that extracts
    ready = f"extract {name}"
    yield part("extract", ready, outputs + streamed, ())
    if judges:
        waits = [ready, *(models[judge.model.made.digest] for judge in judges if judge.model.made)]
        ready = f"extract judges on {name}"
        yield part("judge", ready, plan.missing_samples(judges), waits)
    extracted = ready
    if fitted:
        ready = f"fit {name}"
        yield part("fit", ready, 0, [extracted], sum(bool(plan.missing_spans(one)) for one in fitted))
    for stage in ("evaluate", "evaluate learnt"):
        if mine := merges_of(plan, dataset, stage, on_pool=on_pool):
            made = [models[o.model.made.digest] for merge in mine for o in merge.outputs if o.model.made]
            title = f"evaluate {name}" if stage == "evaluate" else f"evaluate learnt models on {name}"
            passes = plan.missing_samples(mine) - (streamed if stage == "evaluate" else 0)
            yield part(stage, title, passes, [ready, *made])
    if ensembles:
        weighted = any(isinstance(ensemble.weighting, CoefficientsReference) for ensemble in ensembles)
        missing = plan.missing_samples(ensembles)
        yield part("mix", f"mix outputs of {name}", 0, [ready if weighted else extracted], missing)
