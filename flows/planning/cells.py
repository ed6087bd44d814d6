"""From an experiment's settings to the cells of its results table, one a method and data set."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from flows.experiment.settings import Experiment
from flows.planning.methods import matching
from flows.planning.recipes import Ingredients, cell, dawin
from tasks.numerics.measures import WITH_JUDGE
from tasks.references.base import ModelReference, OutputsReference, WeightMerge
from tasks.references.derived import BinsReference, Cell, CoefficientsReference, MixtureReference

Outputs = tuple[OutputsReference, ...]


def cells_of(experiment: Experiment, outputs: Outputs, everywhere: Sequence[Outputs]) -> list[Cell]:
    """Return the cells of one data set.

    Args:
        experiment: the settings.
        outputs: of every model on the data set, the base first.
        everywhere: the same of every data set; what a model is made of may look at others.
    """
    methods = dict.fromkeys(method for name in experiment.baselines for method in matching(name, experiment.setup))
    first = _ingredients(experiment, outputs, everywhere, _scales(experiment)[0])
    found = [cell(method, first) for method in methods if not _is_scaled(method)]
    for scale in _scales(experiment):
        of = _ingredients(experiment, outputs, everywhere, scale)
        mixture = MixtureReference(
            coefficients=of.coefficients,
            components=experiment.merge.clusters,
            seed=experiment.seed,
            m_step=_m_step(experiment, of),
        )
        bins = BinsReference(coefficients=of.coefficients, bins=experiment.merge.bins, seed=experiment.seed)
        suffix = f"/scale-{scale:.2f}" if len(_scales(experiment)) > 1 else ""
        scaled = [cell(method, of) for method in methods if _is_scaled(method)]
        found += [replace(one, method=f"{one.method}{suffix}") for one in scaled]
        found += [dawin(granularity, of, mixture, bins, suffix) for granularity in experiment.merge.granularity]
    return found


def _is_scaled(method: str) -> bool:
    """Tell whether a method merges each sample's task vectors, as DaWin does: with the experiment's own scale."""
    return method.startswith(("oracle/", "random/"))


def _m_step(experiment: Experiment, of: Ingredients) -> Literal["moments", "mle"]:
    return experiment.merge.m_step or ("moments" if len(of.judged) == 2 else "mle")


def _scales(experiment: Experiment) -> tuple[float | None, ...]:
    return experiment.merge.scale if experiment.merge.kind == "task-vectors" else (None,)


def _ingredients(
    experiment: Experiment, outputs: Outputs, everywhere: Sequence[Outputs], scale: float | None
) -> Ingredients:
    merge = experiment.merge
    models = tuple(reference.model for reference in outputs)
    judge = None
    if merge.expertise in WITH_JUDGE:
        average = WeightMerge(method="weight-average", models=models).model
        first = outputs[0]
        judge = OutputsReference(
            model=average, dataset=first.dataset, head=first.head, precision=first.precision, logits=first.logits
        )
    coefficients = CoefficientsReference(
        outputs=outputs if scale is None else outputs[1:],
        expertise=merge.expertise,
        offset=merge.offset and scale is None,
        judge=judge,
    )

    def merged(method: str) -> ModelReference:
        return _weight_merge(method, experiment, models, everywhere).model

    return Ingredients(
        outputs=outputs,
        coefficients=coefficients,
        scale=scale,
        seed=experiment.seed,
        merged=merged,
        held_out=merge.held_out,
    )


def _weight_merge(
    method: str, experiment: Experiment, models: tuple[ModelReference, ...], everywhere: Sequence[Outputs]
) -> WeightMerge:
    """Return what a method makes its model of, with all that the model depends on and nothing else."""
    settings, options, looks_at = experiment.merge, dict[str, float | int | str](), Outputs()
    family = method.partition("/")[0]
    if family == "ties":
        options = {"keep": settings.ties_keep}
    elif family == "adamerging":
        chosen = settings.adamerging
        options = {**chosen.model_dump(), "seed": experiment.seed}
        options |= {"keep": settings.ties_keep} if method.endswith("++") else {}
        looks_at = tuple(of_dataset[0] for of_dataset in everywhere)
    elif family == "greedy-soup":
        options = {"precision": experiment.precision}
        looks_at = next(found[1:] for found in everywhere if found[0].dataset.name == settings.held_out)
    return WeightMerge(method=method, models=models, options=tuple(sorted(options.items())), looks_at=looks_at)
