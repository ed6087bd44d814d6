"""Versions in identities: raising one has exactly the tables computed again that depend on it."""

import pytest
from runs import run, table, written

from storage.schemas import TABLES
from tasks.methods.registry import METHODS
from tasks.numerics.metrics.registry import METRICS
from tasks.references.versions import VERSIONS

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]

EVERYTHING = {"outputs", "coefficients", "mixtures", "components", "predictions", "results", "comparisons"}
FITS = {"coefficients", "mixtures", "components", "predictions", "results", "comparisons"}


@pytest.fixture
def raised(monkeypatch):
    """Raise the version of a frozen record, or an entry of the table of versions, until the test ends."""
    undo = []

    def raise_version(owner):
        if isinstance(owner, str):
            monkeypatch.setitem(VERSIONS, owner, VERSIONS[owner] + 1)
            return
        undo.append((owner, owner.version))
        object.__setattr__(owner, "version", owner.version + 1)

    yield raise_version
    for owner, version in undo:
        object.__setattr__(owner, "version", version)


def new_tables(copied, *overrides):
    """Run the example again; return the rows, and the names of the tables that were written."""
    _, file, store, _ = copied
    before = written(store)
    rows = run(file, store, *overrides)
    return rows, {key.split("/")[0] for key in written(store).keys() - before.keys()}


@pytest.mark.parametrize(
    ("computation", "tables"),
    [
        ("outputs", EVERYTHING),
        ("coefficients", FITS),
        ("mixtures", {"mixtures", "components", "predictions", "results", "comparisons"}),
        ("merge", {"predictions", "results", "comparisons"}),
        ("ensemble", {"predictions", "results", "comparisons"}),
        ("results", {"results", "comparisons"}),
        ("samples", EVERYTHING | {"samples"}),
        ("names", {"samples"}),
        ("head", set()),
        ("bins", set()),
    ],
)
def test_a_raised_computation_has_its_dependents_computed_again(copied, raised, computation, tables):
    """The tables that depend on the computation are new, the others stay, and the numbers are the same."""
    raised(computation)
    rows, new = new_tables(copied)
    assert new == tables
    assert table(rows) == pytest.approx(table(copied[-1]), abs=1e-6)


@pytest.mark.parametrize(
    ("schema", "tables"),
    [
        ("outputs", {"outputs", "results", "comparisons"}),
        ("coefficients", {"coefficients"}),
        ("mixtures", {"mixtures", "components"}),
        ("components", {"mixtures", "components"}),
        ("predictions", {"predictions", "results", "comparisons"}),
        ("results", {"results", "comparisons"}),
        ("samples", {"samples"}),
        ("bins", set()),
    ],
)
def test_a_raised_schema_has_its_own_table_written_again(copied, raised, schema, tables):
    """A table with new columns is written anew; tables computed from it stay, as their numbers do not change."""
    raised(TABLES[schema])
    rows, new = new_tables(copied)
    assert new == tables
    assert table(rows) == pytest.approx(table(copied[-1]), abs=1e-6)


def test_a_raised_metric_has_the_results_aggregated_again(copied, raised):
    """No table of samples is computed again for a metric."""
    raised(METRICS[0])
    assert new_tables(copied)[1] == {"results", "comparisons"}


def test_a_raised_method_has_its_own_model_made_again(copied, monkeypatch):
    """TIES of a new version makes its model and predictions again; nothing of the other methods is computed."""
    run(copied[1], copied[2], "baselines=[individual, ties/0.50, iso-c/0.50]")
    monkeypatch.setattr(type(METHODS["ties"]), "version", 2)
    before = written(copied[2])
    rows, new = new_tables(copied, "baselines=[individual, ties/0.50, iso-c/0.50]")
    assert new == {"predictions", "results", "comparisons"}
    assert len([key for key in written(copied[2]).keys() - before.keys() if key.startswith("predictions")]) == 2
    assert "ties/0.50" in set(rows["method"])
