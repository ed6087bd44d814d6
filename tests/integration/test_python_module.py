"""The module `dawin`: runs, plans and results from Python, also where an event loop runs already, as in a notebook."""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import runs
import tiny
import yaml

import dawin
from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from storage.errors import StorageError

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


def values(rows):
    """Return a run's results without its provenance."""
    return rows.select("method", "dataset", "metric", "value", "ci_low", "ci_high", "samples")


def test_importing_the_module_loads_nothing_large():
    """Neither torch nor Prefect nor polars: a notebook's first cell is quick."""
    program = "import sys, dawin; print(sorted({'torch', 'prefect', 'polars', 'open_clip'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_run_in_a_notebook_returns_the_rows_of_the_command(example, tmp_path):
    """With settings as a mapping of relative addresses; the same settings again compute nothing."""
    folder, file, _, rows = example
    settings, store = yaml.safe_load(Path(file).read_text()), tmp_path / "store"

    async def cell():
        return dawin.run(settings, store=store, progress=False)

    with contextlib.chdir(folder):
        first = asyncio.run(cell())
        written = runs.written(store)
        again = dawin.run(settings, store=store)
    assert values(first).equals(values(rows))
    assert values(again).equals(values(first))
    assert runs.written(store) == written
    assert values(dawin.results("tiny", store=store)).equals(values(first))


def test_settings_change_an_experiment_however_it_is_given(copied):
    """A path, a name's object and values take settings by dotted name, and give the same run."""
    _, file, store, _ = copied
    changed = {"merge.clusters": 3, "merge.granularity": ["clusters"], "baselines": []}
    by_path = dawin.run(file, store=store, settings=changed, progress=False)
    by_object = dawin.run(load_experiment(file), store=store, settings=changed, progress=False)
    assert by_path["method"].unique().to_list() == ["dawin/clusters-3"]
    assert by_path["run_id"].unique().to_list() == by_object["run_id"].unique().to_list()


def test_a_plan_is_a_table_and_writes_nothing(tmp_path):
    """One row for each step, with all samples missing at first."""
    file, store = tiny.experiment(tmp_path), tmp_path / "store"
    steps = dawin.plan(file, store=store)
    assert steps.columns == ["stage", "dataset", "step", "samples", "missing"]
    assert steps.filter(pl.col("samples") != pl.col("missing")).is_empty()
    assert steps.filter(stage="extract", dataset="one")["step"].to_list() == ["base", "tuned"]
    assert not store.exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda file, store: dawin.run(file, store=store, settings={"merge.clusters": 0}), "merge.clusters: .*got 0"),
        (lambda file, store: dawin.plan({"name": "x", "colour": 1}, store=store), "colour: no such setting"),
        (lambda file, store: dawin.plan([1], store=store), "wanted a mapping of settings, got list"),
        (lambda file, store: dawin.results("nothing", store=store), "store file://.*/store: no such folder"),
    ],
)
def test_a_wrong_request_is_an_error_that_names_it(tmp_path, call, message):
    """The error is the one that the command line prints."""
    file = tiny.experiment(tmp_path)
    with pytest.raises((ExperimentError, StorageError), match=message):
        call(file, tmp_path / "store")


def test_the_store_is_the_one_of_the_environment(example, monkeypatch):
    """Without an argument, `$DAWIN_STORE` is the store."""
    monkeypatch.setenv("DAWIN_STORE", example[2])
    assert "tiny" in dawin.results()["experiment"].unique()
