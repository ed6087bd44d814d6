"""The commands plan, run and results on a small experiment."""

import csv
import io
import json

import polars as pl
import pytest
import tiny

from flows.cli import main

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, prefect_api):
    """The experiment file and the store of a finished run."""
    folder = tmp_path_factory.mktemp("cli")
    file, store = tiny.experiment(folder), str(folder / "store")
    assert main(["run", file, "--store", store]) == 0
    return file, store


def test_planning_computes_and_writes_nothing(tmp_path, capsys):
    """`dawin plan` lists the steps with all samples to run, and does not create the store."""
    store = tmp_path / "store"
    assert main(["plan", tiny.experiment(tmp_path), "--store", str(store)]) == 0
    shown = capsys.readouterr().out
    assert "extract   one          base               30 of 30 samples to run" in shown
    assert not store.exists()


def test_the_plan_of_a_finished_run_has_nothing_to_run(finished, capsys):
    """With another number of clusters, only mixtures and merged models are to run."""
    file, store = finished
    assert main(["plan", file, "--store", store]) == 0
    shown = capsys.readouterr().out
    assert "samples to run" not in shown
    assert "forward passes: 0 to run" in shown
    assert main(["plan", file, "--store", store, "--set", "merge.clusters=3"]) == 0
    to_run = [line.split()[:3] for line in capsys.readouterr().out.splitlines() if "samples to run" in line]
    assert to_run == [
        ["fit", "one", "mixtures"],
        ["fit", "two", "mixtures"],
        ["evaluate", "one", "merged"],
        ["evaluate", "two", "merged"],
    ]


def test_a_second_run_shows_the_same_table_and_that_nothing_is_left(finished, capsys):
    """It starts no flow run; with `-q` the table is all that it prints."""
    file, store = finished
    assert main(["run", "-q", file, "--store", store]) == 0
    table = capsys.readouterr()
    assert main(["run", file, "--store", store]) == 0
    shown = capsys.readouterr()
    assert "to run  nothing: the store holds all of it (840 forward passes, 19 methods)" in shown.err
    assert table.out in shown.out
    assert table.err == ""


def test_results_come_in_every_format(finished, capsys):
    """Csv and json hold all rows with all digits; table, markdown and latex show percentages by method."""
    _, store = finished
    shown = {}
    for style in ("table", "csv", "json", "markdown", "latex"):
        assert main(["results", "--store", store, "--format", style]) == 0
        shown[style] = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(shown["csv"])))
    assert len(rows) == len(json.loads(shown["json"])) > 30
    assert {"method", "dataset", "value", "run_id"} <= rows[0].keys()
    read = pl.read_csv(io.StringIO(shown["csv"]))
    assert read.height == len(rows)
    assert not read["method"].null_count()  # an empty last line would be read as a row of nulls
    assert "oracle/samples (labels)" in shown["table"]
    assert "mean ood" in shown["markdown"]
    assert shown["markdown"].startswith("| method")
    assert "\\toprule" in shown["latex"]
    value = next(r for r in rows if r["method"] == "dawin/samples" and r["dataset"] == "one")["value"]
    for style, text in (("table", f"{100 * float(value):#.3g}"), ("markdown", f"{100 * float(value):.2f}")):
        assert text in next(line for line in shown[style].splitlines() if "dawin/samples" in line)


def test_prefect_shows_named_runs_and_the_results(finished):
    """Runs bear the names of their data sets and models; the results table and the report are artifacts."""
    import asyncio

    from prefect.client.orchestration import get_client

    async def read():
        async with get_client() as client:
            runs = {run.name for run in await client.read_flow_runs()}
            artifacts = {artifact.key: artifact for artifact in await client.read_artifacts()}
            return runs, artifacts

    runs, artifacts = asyncio.run(read())
    assert {"tiny: tuned.pt", "extract one: base, tuned", "evaluate two: 12 merges", "aggregate tiny"} <= runs
    assert "dawin/samples" in artifacts["results-tiny"].data
    assert "Results: `file:///" in artifacts["report-tiny"].data


def test_the_store_is_taken_from_the_environment(finished, capsys, monkeypatch, tmp_path):
    """Without `--store`, `$DAWIN_STORE` is the store, and without that `./dawin-store`."""
    _, store = finished
    monkeypatch.setenv("DAWIN_STORE", store)
    assert main(["results", "tiny"]) == 0
    monkeypatch.delenv("DAWIN_STORE")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["results", "tiny"]) == 2
    assert f"{tmp_path}/dawin-store" in capsys.readouterr().err


def test_results_of_an_unknown_experiment_are_refused_with_the_known_ones(finished, capsys):
    """The message names the experiment and those that the store has results of."""
    assert main(["results", "digits", "--store", finished[1]]) == 2
    shown = capsys.readouterr().err
    assert "no results of experiment 'digits'" in shown
    assert "it has results of tiny" in shown
