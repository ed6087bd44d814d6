"""The comparisons of a run."""

from datetime import UTC, datetime

import pytest

from flows.pages.comparisons_of import comparisons_of
from storage import keys
from storage.schemas import COMPARISONS
from storage.store import Store
from storage.tables import TableWriter


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def write(store, identifier, pairs, *, metric="top1", runs=("digits/r1", "digits/r1")):
    """Write a table of comparisons in which every pair has the same numbers."""
    numbers = {"value_a": 0.9, "value_b": 0.8, "difference": 0.1, "ci_low": 0.05, "ci_high": 0.15, "detectable": 0.02}
    rows = [
        {
            **numbers,
            "method_a": one,
            "method_b": other,
            "run_a": runs[0],
            "run_b": runs[1],
            "dataset": "clean",
            "group": "id",
            "metric": metric,
            "p_value": 0.001,
            "p_corrected": 0.01 * len(pairs),
            "test": "mcnemar",
            "samples": 100,
            "software": "dawin",
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for one, other in pairs
    ]
    key = keys.comparisons("digits", "r1", identifier)
    writer = TableWriter(store, key, COMPARISONS, identity={"request": identifier})
    writer.append({name: [row[name] for row in rows] for name in COMPARISONS.arrow({}).names})
    writer.commit()


def test_a_store_without_comparisons_has_none(store):
    """A run that nothing was compared in has no ties."""
    assert comparisons_of(store, "digits", "r1") is None


def test_the_largest_table_of_each_metric_counts(store):
    """A request for one pair does not take the place of the comparisons of all pairs, nor one by another metric."""
    write(store, "0a", [("a", "b"), ("a", "c"), ("b", "c")])
    write(store, "0b", [("a", "b")])
    write(store, "0c", [("a", "b"), ("a", "c"), ("b", "c"), ("a", "d")], metric="nll")
    found = comparisons_of(store, "digits", "r1")
    assert found.filter(metric="top1")["p_corrected"].to_list() == pytest.approx([0.03] * 3)
    assert len(found.filter(metric="nll")) == 4


def test_comparisons_with_another_run_are_left_out(store):
    """A difference to another run's method says nothing about this run's ties."""
    write(store, "0a", [("a", "a")], runs=("digits/r1", "digits/r2"))
    assert comparisons_of(store, "digits", "r1") is None


def test_a_damaged_table_costs_the_ties_alone(store, tmp_path):
    """The report goes on without comparisons."""
    write(store, "0a", [("a", "b")])
    (tmp_path / keys.comparisons("digits", "r1", "0a")).write_bytes(b"no table")
    assert comparisons_of(store, "digits", "r1") is None
