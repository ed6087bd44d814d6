"""Which methods of a run the samples do not tell apart, by the comparisons that the run has written."""

from collections.abc import Mapping
from dataclasses import dataclass

from storage import keys
from storage.errors import ObjectMissing, StorageError
from storage.identity import digest_of
from storage.schemas import COMPARISONS
from storage.store import Store
from storage.tables import read_table
from tasks.evidence.comparisons import request_of

LEVEL = 0.05
"""Corrected p-values below it tell two methods apart."""


@dataclass(frozen=True)
class Ties:
    """The corrected p-values of all pairs of methods of a run, by one metric."""

    p_values: Mapping[tuple[frozenset[str], str], float]
    """By the two methods, and the name in the column `dataset` of results."""

    @property
    def tests(self) -> int:
        """Number of tests that were corrected together."""
        return len(self.p_values)

    def are_tied(self, method: str, other: str, dataset: str) -> bool:
        """Return whether the samples do not tell two methods apart; a pair that was not compared is no tie."""
        return self.p_values.get((frozenset((method, other)), dataset), 0.0) >= LEVEL


def ties_of(store: Store, experiment: str, run_id: str, metric: str = "top1") -> Ties | None:
    """Return the ties of a run by a metric; None if the store holds no sound comparisons of it.

    A run compares its methods by top1; `dawin compare EXPERIMENT --metric M` adds another metric.

    Args:
        store: the store.
        experiment: name of the experiment.
        run_id: the run.
        metric: name of the metric.
    """
    key = keys.comparisons(experiment, run_id, digest_of(request_of([metric])))
    columns = ["method_a", "method_b", "dataset", "p_corrected"]
    try:
        rows = read_table(store, key, COMPARISONS, columns).to_pylist()
    except (ObjectMissing, StorageError):
        return None
    return Ties({(frozenset((r["method_a"], r["method_b"])), r["dataset"]): r["p_corrected"] for r in rows})
