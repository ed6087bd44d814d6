"""The child flow runs of a plan: what each computes, on which samples, and its name in the UI."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.experiment.settings import Experiment
from flows.planning.plan import Plan
from flows.planning.plan_parts import Stage, merges_of
from flows.workers.pool import pool
from flows.workers.tags import tags_of
from tasks.references.datasets import DatasetReference
from tasks.references.outputs import OutputsReference

log = logging.getLogger("dawin.run")


@dataclass(frozen=True)
class Child:
    """The description of a child flow run, for this process or a worker."""

    flow: str
    """The child's flow: `verb-noun` is the function `verb_noun` of the module `flows.verb_noun`."""
    name: str
    """The run's name in the UI."""
    tags: tuple[str, ...]
    """The run's tags in the UI."""
    parameters: Mapping[str, Any]
    """The flow's arguments, as JSON takes them."""


class Children:
    """Names the children of a plan's stages. Tables that the store holds need no child.

    Args:
        plan: everything that the run computes.
        key: the plan's key in the store; children read it there.
        experiment: names and tags the runs.
    """

    def __init__(self, plan: Plan, key: str, experiment: Experiment) -> None:
        self._plan, self._key, self._experiment = plan, key, experiment

    def extract(self, dataset: DatasetReference, outputs: Sequence[OutputsReference]) -> list[Child]:
        """Return the children that extract missing outputs on a data set."""
        missing = self._plan.missing(outputs)
        if reused := [o.model.name for o in outputs if o not in missing]:
            log.info("skipped: extract %s: %s (in the store)", dataset.name, ", ".join(reused))
        if not missing:
            return []
        streamed = self._plan.streamed(dataset)
        also = f" and {len(streamed)} merges" if streamed else ""
        name = f"extract {dataset.name}: {', '.join(o.model.name for o in missing)}{also}"
        return self._on("extract-outputs", name, dataset)

    def merge(self, model: str) -> list[Child]:
        """Return the child that makes a model of other models' weights; none if no missing table needs it.

        Args:
            model: digest of the made model.
        """
        made = [one for one in self._plan.missing_models if one.digest == model]
        return [self._child("merge-weights", f"merge {one.method}", model=one.digest) for one in made]

    def evaluate(self, dataset: DatasetReference, stage: Stage = "evaluate") -> list[Child]:
        """Return the children that evaluate missing merges on a data set.

        Args:
            dataset: of the plan.
            stage: of the plan's parts: `evaluate`, or `evaluate learnt`.
        """
        merges = merges_of(self._plan, dataset, stage, on_pool=pool() is not None)
        missing = self._plan.missing(merges)
        if reused := len(merges) - len(missing):
            log.info("skipped: evaluate %s: %d merges (in the store)", dataset.name, reused)
        if not missing:
            return []
        is_learnt = stage == "evaluate learnt"
        which = "" if len(merges) == len(self._plan.merges(dataset)) else "learnt " if is_learnt else "other "
        name = f"evaluate {dataset.name}: {len(missing)} {which}merges"
        # data sets whose evaluations travel together are evaluated with the same parameters
        parameters = {"learnt": is_learnt} if pool() is not None else {}
        return self._on("evaluate-merges", name, dataset, **parameters)

    def _on(self, flow: str, name: str, dataset: DatasetReference, **parameters: bool) -> list[Child]:
        """Return the child for all samples of a data set; on a pool, the schedule cuts it."""
        return [self._child(flow, name, dataset=dataset.name, samples=list(dataset.whole), **parameters)]

    def _child(self, flow: str, name: str, **parameters: Any) -> Child:  # noqa: ANN401  plain JSON values
        tags = tags_of(self._experiment, parameters.get("dataset"))
        return Child(flow, name, tuple(tags), {**parameters, "plan": self._key, "store": self._plan.store.url})
