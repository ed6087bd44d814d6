"""Which methods of a run the samples do not tell apart, by the comparisons that the run has written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from storage import keys
from storage.errors import ObjectMissing, StorageError
from storage.identity import digest_of
from storage.schemas import COMPARISONS
from storage.store import Store
from storage.tables import read_table
from tasks.evidence.comparisons import request_of
from tasks.numerics.evidence.holm import holm

LEVEL = 0.05
"""Corrected p-values below it tell two methods apart."""


@dataclass(frozen=True)
class Ties:
    """Pairs of methods on data sets and means that were tested, and those that the samples do not tell apart."""

    pairs: frozenset[tuple[frozenset[str], str]]
    """The two methods, and the name in the column `dataset` of results."""
    tests: int
    """Number of tests that were corrected together."""

    def are_tied(self, method: str, other: str, dataset: str) -> bool:
        """Return whether the samples do not tell two methods apart; a pair that was not tested is no tie."""
        return (frozenset((method, other)), dataset) in self.pairs


@dataclass(frozen=True)
class PairTests:
    """The p-values of all pairs of methods of a run by one metric, not corrected."""

    p_values: Mapping[tuple[frozenset[str], str], float]
    """By the two methods, and the name in the column `dataset` of results."""

    def ties(self, methods: Sequence[str], datasets: Sequence[str]) -> Ties:
        """Return the ties of some methods, with Holm's correction over all their pairs on all the data sets.

        Args:
            methods: names of methods.
            datasets: names of data sets and means.
        """
        asked = [(frozenset(pair), dataset) for dataset in datasets for pair in combinations(methods, 2)]
        tested = [pair for pair in asked if pair in self.p_values]
        corrected = holm([self.p_values[pair] for pair in tested])
        return Ties(frozenset(pair for pair, p in zip(tested, corrected, strict=True) if p >= LEVEL), len(tested))


def pair_tests(store: Store, experiment: str, run_id: str, metric: str) -> PairTests | None:
    """Return the tests of a run by a metric; None if the store holds no sound comparisons of it.

    A run compares its methods by top1; `dawin compare EXPERIMENT --metric M` adds another metric.

    Args:
        store: the store.
        experiment: name of the experiment.
        run_id: the run.
        metric: name of the metric.
    """
    key = keys.comparisons(experiment, run_id, digest_of(request_of([metric])))
    columns = ["method_a", "method_b", "dataset", "p_value"]
    try:
        rows = read_table(store, key, COMPARISONS, columns).to_pylist()
    except (ObjectMissing, StorageError):
        return None
    return PairTests({(frozenset((r["method_a"], r["method_b"])), r["dataset"]): r["p_value"] for r in rows})
