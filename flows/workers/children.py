"""The child flows that a plan comes down to: what each does, on which samples, and what the UI calls it."""

import logging
from collections.abc import Iterator, Sequence

from flows.experiment.settings import Experiment
from flows.planning.plan import Plan
from flows.workers.dispatch import Work
from flows.workers.pool import pool
from storage.spans import Span
from tasks.references.base import SHARD, DatasetReference, OutputsReference

log = logging.getLogger("dawin.run")


class Dispatcher:
    """Makes the works of a plan's stages; what is in the store makes none.

    Args:
        plan: what a run comes down to.
        experiment: its settings, which children are sent.
    """

    def __init__(self, plan: Plan, experiment: Experiment) -> None:
        self._plan, self._experiment = plan, experiment

    def extract(self, dataset: DatasetReference, outputs: Sequence[OutputsReference]) -> list[Work]:
        """Return the extraction of what some outputs on a data set lack."""
        lacking = self._plan.lacking(outputs)
        if reused := [o.model.name for o in outputs if o not in lacking]:
            log.info("skipped: extract %s: %s (in the store)", dataset.name, ", ".join(reused))
        if not lacking:
            return []
        streamed = self._plan.streamed(dataset)
        also = f" and {len(streamed)} merges" if streamed else ""
        name = f"extract {dataset.name}: {', '.join(o.model.name for o in lacking)}{also}"
        return [
            self._work("extract-outputs", f"{name}{told}", dataset=dataset.name, samples=samples)
            for samples, told in self._ranges(dataset)
        ]

    def merge(self) -> list[Work]:
        """Return the making of models of others' weights."""
        return [
            self._work("merge-weights", f"merge {recipe.method}", method=recipe.method)
            for recipe in self._plan.lacking_recipes
        ]

    def evaluate(self, dataset: DatasetReference) -> list[Work]:
        """Return the evaluation of merges on a data set."""
        merges = self._plan.merges(dataset)
        lacking = self._plan.lacking(merges)
        if reused := len(merges) - len(lacking):
            log.info("skipped: evaluate %s: %d merges (in the store)", dataset.name, reused)
        if not lacking:
            return []
        name = f"evaluate {dataset.name}: {len(lacking)} merges"
        return [
            self._work("evaluate-merges", f"{name}{told}", dataset=dataset.name, samples=samples)
            for samples, told in self._ranges(dataset)
        ]

    def _ranges(self, dataset: DatasetReference) -> Iterator[tuple[Span, str]]:
        """Yield the ranges that children share a data set by, in whole objects; here one child does it all."""
        wanted = self._experiment.samples_per_run if pool() else None
        step = dataset.samples if wanted is None else -(-wanted // SHARD) * SHARD
        for start in range(0, dataset.samples, step):
            stop = min(start + step, dataset.samples)
            yield Span(start, stop), f" ({start:,} to {stop - 1:,})" if step < dataset.samples else ""

    def _work(self, flow: str, name: str, **parameters: object) -> Work:
        return Work(flow, name, self._experiment, {**parameters, "store": self._plan.store.url})
