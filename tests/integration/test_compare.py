"""`dawin compare` on finished runs: against other programs, across two runs, stores, and requests that are refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import runs
import tiny
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from flows.cli import main
from flows.reports.json_models import DOCUMENTS
from storage import scan
from storage.pointers import latest_run
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture(scope="module")
def store(example, tmp_path_factory):
    """A store with two runs of the example and one by another name, runs on other images; and the first runs' ids."""
    folder = tmp_path_factory.mktemp("compare") / "copy"
    subprocess.run(["cp", "-a", example[0], folder], check=True)
    file, url = str(folder / Path(example[1]).name), str(folder / "store")
    first = latest_run(Store(url), "tiny")
    few = ("baselines=[individual]", "merge.granularity=[clusters]")
    runs.run(file, url, "merge.clusters=3", *few)
    runs.run(file, url, "name=again", *few)
    for name, samples in (("other", 24), ("unlabelled", 30)):
        place = folder / name
        place.mkdir()
        made = tiny.experiment(place, samples=samples, name=name)
        if name == "unlabelled":
            for path in sorted((place / "two").rglob("*.png")):
                path.rename(place / "two" / path.name)
        runs.run(made, url, *few)
    return url, first, latest_run(Store(url), "tiny")


@pytest.fixture
def printed(store, capsys):
    """Run `dawin compare` on the store; return what it prints."""

    def run(*words, status=0):
        capsys.readouterr()
        assert main(["compare", *words, "--store", store[0]]) == status
        out, err = capsys.readouterr()
        return err if status else out

    return run


@pytest.fixture
def document(printed):
    """Return the document of a comparison."""
    return lambda *words: DOCUMENTS["compare"].model_validate(json.loads(printed(*words, "--json")))


def right_samples(store, row, method):
    """Return whether a method is right on each sample of a row's data set, read from the store with polars alone."""
    experiment, run = row.run_a.split("/")
    result = (
        scan("results", store=store)
        .filter(experiment=experiment, run_id=run, method=method, dataset=row.dataset, metric="top1")
        .collect()
        .row(0, named=True)
    )
    table = scan(result["samples_table"], store=store).filter(dataset=result["dataset_digest"], id=result["samples_id"])
    if result["samples_table"] == "outputs":
        table = table.filter(weights=result["weights"][0][:16])
    return (table.sort("sample_index").collect()["label_rank"] == 0).to_numpy()


def test_p_values_are_those_of_statsmodels_on_the_predictions_in_the_store(document, store):
    """Exact McNemar for each pair on each data set, and Holm over all rows."""
    found = document("tiny", "dawin", "wise-ft/0.50", "individual", "--run", store[1], "--dataset", "one", "two")
    assert found.tests == len(found.comparisons) == 2 * 10
    for row in found.comparisons:
        a, b = (right_samples(store[0], row, method) for method in (row.method_a, row.method_b))
        table = [[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]]
        assert row.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)
        assert row.difference == pytest.approx(a.mean() - b.mean())
        assert row.ci_low <= row.difference <= row.ci_high
    wanted = multipletests([row.p_value for row in found.comparisons], method="holm")[1]
    assert [row.p_corrected for row in found.comparisons] == pytest.approx(wanted)


def test_a_run_has_compared_its_methods_already(document, store):
    """The comparison without further words is the one that the run wrote: every pair, every data set, and the mean."""
    before = runs.written(store[0])
    found = document("tiny", "--run", store[1])
    assert runs.written(store[0]) == before
    assert {row.dataset for row in found.comparisons} == {"one", "two", "mean/all"}
    methods = {row.method_a for row in found.comparisons} | {row.method_b for row in found.comparisons}
    assert "oracle/samples" in methods
    assert len(found.comparisons) == 3 * len(methods) * (len(methods) - 1) // 2
    assert all(column.best != "oracle/samples" for column in found.columns)
    rows = scan("comparisons", store=store[0]).filter(experiment="tiny", run_id=store[1]).collect()
    assert found.table in {f"file://{path}" for path in map(str, Path(store[0]).rglob("comparisons.parquet"))}
    assert {row.p_value for row in found.comparisons} <= set(rows["p_value"])


def test_the_same_numbers_come_out_when_the_table_is_computed_again(document, store):
    """The command draws the resamples that the run drew."""
    kept = document("tiny", "--run", store[1])
    for path in (Path(store[0]) / "comparisons").rglob(f"run_id={store[1]}/*/*"):
        path.unlink()
    again = document("tiny", "--run", store[1])
    for one, other in zip(kept.comparisons, again.comparisons, strict=True):
        assert one.model_copy(update={"created_at": other.created_at}) == other


def test_every_metric_with_a_direction_and_a_test_compares_methods(document):
    """Values are those of the results, and all but accuracies are tested by the bootstrap."""
    metrics = ["top1", "mean_recall", "macro_f1", "nll", "brier", "ece", "ece_mass", "aurc", "auroc"]
    found = document("tiny", "individual", "--metric", *metrics)
    tests = {(row.metric, row.dataset.startswith("mean/")): row.test for row in found.comparisons}
    assert {metric for metric, _ in tests} == set(metrics)
    assert {test for (metric, is_mean), test in tests.items() if metric == "top1" and not is_mean} == {"mcnemar"}
    assert {test for (metric, is_mean), test in tests.items() if metric != "top1" or is_mean} == {"bootstrap"}


def test_two_runs_are_compared_by_the_methods_of_the_same_name(document, store):
    """Equal models have equal predictions; the clusters of the two runs have other names."""
    found = document("tiny", "--run", store[1], "--with", f"tiny/{store[2]}")
    assert {(row.method_a, row.method_b) for row in found.comparisons} == {
        (n, n) for n in ("individual/base", "individual/tuned")
    }
    assert {(row.run_a, row.run_b) for row in found.comparisons} == {(f"tiny/{store[1]}", f"tiny/{store[2]}")}
    assert all(row.p_value == 1 and row.difference == 0 for row in found.comparisons)
    named = document("tiny", "dawin/clusters-2", "dawin/clusters-3", "--run", store[1], "--with", "tiny")
    assert {(row.method_a, row.method_b) for row in named.comparisons} == {("dawin/clusters-2", "dawin/clusters-3")}


@pytest.mark.parametrize("style", ["table", "csv", "markdown", "latex"])
def test_every_format_names_every_method(printed, style):
    """With one run and with two."""
    for words in (["tiny", "individual"], ["tiny", "individual", "--with", "again"]):
        text = printed(*words, "--format", style)
        assert "individual/base" in text
        assert "individual/tuned" in text


def test_data_sets_without_labels_are_left_out_and_the_others_compared(document):
    """A run on both kinds is no error."""
    assert {row.dataset for row in document("unlabelled").comparisons} == {"one"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tinny"], "no results of experiment 'tinny'"),
        (["tiny", "--run", "r0"], "--run r0: experiment 'tiny' has no such run; known: r"),
        (["tiny", "dawin/clusters-4"], "METHOD dawin/clusters-4: no such method in tiny/r"),
        (["tiny", "xyzzy", "dawin"], "METHOD xyzzy: no such method in tiny/r"),
        (["tiny", "individual/base"], "wanted at least two methods of tiny/r"),
        (["tiny", "--dataset", "three"], "--dataset three: no such data set in tiny/r"),
        (["tiny", "--metric", "top5"], "metric top5"),
        (["tiny", "--metric", "coefficient_error_mean"], "--metric coefficient_error_mean: ranks no methods"),
        (["tiny", "--metric", "normalised_top1"], "--metric normalised_top1: not computed from the samples'"),
        (["unlabelled", "--dataset", "two"], "--dataset two: no labels, which metric top1 needs; known: one"),
        (["tiny", "--with", "nothing"], "no results of experiment 'nothing'"),
        (["tiny", "--with", "tiny"], "--with tiny: it is the run itself"),
        (["tiny", "--with", "tiny/r0"], "--run r0: experiment 'tiny' has no such run"),
        (["tiny", "--with", "other"], "data set one: wanted the samples of tiny/r"),
        (
            ["tiny", "dawin", "--with", "other", "--dataset", "two"],
            "its files, limit, label space or preprocessing differ",
        ),
        (["tiny", "individual/base", "xyz", "--with", "unlabelled"], "METHOD xyz: no such method in tiny/r"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(printed, words, message):
    """It names the thing, and what exists."""
    error = printed(*words, status=2)
    assert error.count("\n") == 1
    assert message in error


def test_a_store_that_cannot_be_written_gives_the_comparison_and_says_that_it_was_not_kept(printed, store, monkeypatch):
    """The next one computes it again."""
    from storage.errors import StoreDenied

    def refuse(*_arguments, **_options):
        raise StoreDenied("read-only")

    monkeypatch.setattr(Store, "create", refuse)
    monkeypatch.setattr(Store, "replace", refuse)
    text = printed("tiny", "individual", "--dataset", "two")
    assert text.splitlines()[-1] == "the store cannot be written, so the table was not kept"
    assert json.loads(printed("tiny", "individual", "--dataset", "two", "--json"))["table"] is None


def test_a_damaged_table_is_computed_again(document, store):
    """The bytes of a table are no input: the predictions are."""
    wanted = document("tiny", "individual", "--dataset", "one")
    Path(wanted.table.removeprefix("file://")).write_bytes(b"torn")
    assert document("tiny", "individual", "--dataset", "one").comparisons[0].p_value == wanted.comparisons[0].p_value


def test_the_short_table_marks_the_values_that_may_be_as_good_as_the_best(capsys, store):
    """Thirty samples tell few methods apart; the line below says by which test."""
    capsys.readouterr()
    assert main(["results", "tiny", "--run", store[1], "--store", store[0]]) == 0
    text = capsys.readouterr().out
    assert "~: not distinguishable from the best (exact McNemar; Holm, " in text
    assert any("~" in line for line in text.splitlines() if line.startswith(("individual/", "wise-ft/")))
    assert not any("~" in line for line in text.splitlines() if line.startswith("oracle/"))


def test_a_comparison_loads_neither_torch_nor_prefect(store):
    """No model runs, and no flow."""
    words = ["compare", "tiny", "individual", "--metric", "nll", "top1", "--store", store[0]]
    program = (
        f"import sys\nfrom flows.cli import main\nstatus = main({words!r})\n"
        "print(status, sorted({'torch', 'open_clip', 'prefect'} & sys.modules.keys()))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout.splitlines()[-1] == "0 []"


def test_comparisons_are_a_table_of_the_store(store):
    """`scan` reads the tables of all runs and requests together."""
    rows = scan("comparisons", store=store[0]).collect()
    assert {"experiment", "run_id", "id", "p_corrected"} <= set(rows.columns)
    assert {"tiny", "again", "other", "unlabelled"} == set(rows["experiment"])
    assert rows.filter(pl.col("p_corrected") < pl.col("p_value")).height == 0
