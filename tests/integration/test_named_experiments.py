"""Experiments by name are complete, and on a machine without the data they list every missing input."""

import json
import re

import polars as pl
import pytest
import stand_ins

from flows.cli import main
from flows.errors import ExperimentError
from flows.experiment.file import load_experiment, named_experiments
from flows.reports.published import published_rows
from flows.reports.tables import results_of
from storage.store import open_store

SHIFTS = ["imagenet-shifts-vit-b16", "imagenet-shifts-vit-b32", "imagenet-shifts-vit-l14"]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The empty folder that the environment's variables point to."""
    monkeypatch.setenv("DAWIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAWIN_MODELS", str(tmp_path / "models"))
    return tmp_path


def test_every_name_is_a_whole_experiment(places):
    """Each has its own name, six data sets with one in-distribution, and addresses below the variables' folders."""
    assert named_experiments() == ["eight-tasks-vit-b32", *SHIFTS, "model-soups-vit-b32"]
    for name in SHIFTS:
        experiment = load_experiment(name)
        assert experiment.name == name
        assert [dataset.scored_group for dataset in experiment.datasets] == ["id"] + ["ood"] * 5
        assert all(model.checkpoint.startswith(f"file://{places}/models/vit-") for model in experiment.models)
        assert all(model.source for model in experiment.models)
        assert all(dataset.source_in_words for dataset in experiment.datasets)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_missing_inputs_are_listed_with_their_sources(places, capsys, command):
    """One message names every model and data set and where to get it; exit status 2, and nothing is written."""
    assert main([command, "imagenet-shifts-vit-b32", "--store", str(places / "store")]) == 2
    message = capsys.readouterr().err
    for part in (
        "model zeroshot",
        "model finetuned",
        "data set imagenet-sketch",
        "data set objectnet",
        "objectnet.dev",
    ):
        assert part in message
    assert message.count("to be had: ") == 8
    assert not (places / "store").exists() or not list((places / "store").rglob("*.parquet"))


def test_variables_that_are_not_set_are_named(monkeypatch):
    """One message names all of them, each with an address that needs it."""
    monkeypatch.delenv("DAWIN_DATA", raising=False)
    monkeypatch.delenv("DAWIN_MODELS", raising=False)
    with pytest.raises(
        ExperimentError, match=r"DAWIN_MODELS is not set, wanted for \$\{DAWIN_MODELS\}/.*DAWIN_DATA is"
    ):
        load_experiment("imagenet-shifts-vit-b32")


def test_an_unknown_name_is_refused_with_the_known_ones():
    """The message lists the built-in experiments and the YAML files nearby."""
    with pytest.raises(
        ExperimentError,
        match=r"imagenet-shift: no such file; did you mean imagenet-shifts-vit-b16 or .*by name: eight-tasks-vit-b32",
    ):
        load_experiment("imagenet-shift")


@pytest.mark.xdist_group("granularities")
@pytest.mark.usefixtures("prefect_api")
def test_the_whole_experiment_runs_on_stand_ins(places, capsys):
    """With generated images in the public formats and small models, every data set gets an accuracy."""
    stand_ins.imagenet_shifts(places / "models", places / "data")
    assert main(["run", "imagenet-shifts-vit-b32", "--store", str(places / "store")]) == 0
    shown = capsys.readouterr().out
    assert "imagenet: 6 samples, the catalogue says 50,000" in shown
    assert all(name in shown for name in ("imagenet-v2", "objectnet", "mean ood", "dawin/clusters-3", "dawin/samples"))


def test_eight_tasks_says_what_is_missing(places, capsys):
    """One message names nine checkpoints, eight heads and eight data sets and where to get them; exit status 2."""
    assert main(["plan", "eight-tasks-vit-b32", "--store", str(places / "store")]) == 2
    message = capsys.readouterr().err
    assert message.count("to be had: ") == 17
    for part in ("model sun397", "data set gtsrb", "torchvision.datasets.GTSRB", "data set resisc45", "torchgeo"):
        assert part in message


@pytest.mark.xdist_group("soups")
@pytest.mark.usefixtures("prefect_api")
def test_the_public_soups_are_measured_beside_their_published_accuracies(places, capsys):
    """73 models by their public file names give twelve accuracies, each shown with the published one.

    The run's table shows both and their difference, and so does every format of `dawin results`.
    """
    stand_ins.model_soups(places / "models", places / "data")
    store = str(places / "store")
    assert main(["run", "model-soups-vit-b32", "--store", store]) == 0
    printed = capsys.readouterr()
    shown = printed.out
    assert "73 models (start, model-0, … model-71)" in printed.err
    rows = results_of(open_store(store), "model-soups-vit-b32")
    found = published_rows(rows)
    assert len(found) == 12
    for method, dataset, published, measured, difference in found.select(
        "method", "dataset", "published", "measured", "difference"
    ).iter_rows():
        assert difference == pytest.approx(measured - published)
        line = rf"{method} +{dataset} +{100 * published:.2f} +{100 * measured:.2f} +[+−]?{abs(100 * difference):.2f} "
        assert re.search(line, shown)
    assert set(found["source"]) == {
        "github.com/mlfoundations/model-soups, uniform_soup_results.jsonl",
        "github.com/mlfoundations/model-soups, greedy_soup_results.jsonl",
    }
    _formats_hold_the_published_numbers(capsys, "model-soups-vit-b32", store, rows)


def _formats_hold_the_published_numbers(capsys, name, store, rows):
    """Every format holds published and measured; CSV and JSON hold the columns, null for rows without a number."""
    for style in ("table", "markdown", "latex"):
        assert main(["results", name, "--store", store, "--format", style]) == 0
        text = capsys.readouterr().out
        assert all(part in text for part in ("79.97", "44.90", "measured", "uniform_soup_results.jsonl"))
    assert main(["results", name, "--store", store, "--format", "json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert [row["published"] for row in written] == rows["published"].to_list()
    assert main(["results", name, "--store", store, "--format", "csv"]) == 0
    assert {"published", "published_source"} <= set(capsys.readouterr().out.splitlines()[0].split(","))


@pytest.mark.xdist_group("methods")
@pytest.mark.usefixtures("prefect_api")
def test_eight_tasks_run_on_stand_ins(places, capsys):
    """With pickled encoders and heads, every data set gets an accuracy, and a note on its number of samples.

    The four published means stand beside measured ones. Accuracies are also divided by those of the tuned models.
    """
    stand_ins.eight_tasks(places / "models", places / "data")
    overrides = ["merge.clusters=2", "methods.adamerging={steps: 2, batch_size: 2, keep: 0.2583}"]
    options = [part for override in overrides for part in ("--set", override)]
    assert main(["run", "eight-tasks-vit-b32", "--store", str(places / "store"), "--all", *options]) == 0
    shown = capsys.readouterr().out
    assert "svhn: 6 samples, the catalogue says 26,032" in shown
    wanted = ("individual/gtsrb", "ties/0.30", "tsv-merge/1.00", "iso-c/1.00", "adamerging/layer-wise++", " mean ")
    wanted += ("dawin/clusters-2", "dawin/samples", "eurosat: 6 samples")
    assert [name for name in wanted if name not in shown] == []
    rows = results_of(open_store(str(places / "store")), "eight-tasks-vit-b32")
    found = published_rows(rows)
    assert dict(found.select("method", "published").iter_rows()) == {
        "ties/0.30": 0.729,
        "adamerging/task-wise": 0.711,
        "adamerging/layer-wise": 0.802,
        "adamerging/layer-wise++": 0.812,
    }
    assert found["dataset"].unique().to_list() == ["mean/tasks"]
    assert re.search(r"ties/0\.30 +mean/tasks +72\.90 ", shown)
    own = pl.col("method") == "individual/" + pl.col("dataset")
    assert set(rows.filter(own, pl.col("metric") == "normalised_top1")["value"]) == {1.0}
