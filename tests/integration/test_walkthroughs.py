"""The files that `docs/extending.md` shows do what the page says, each with the one line in its registry."""

import asyncio
import importlib.util
import sys

import numpy as np
import polars as pl
import pytest
import tiny
import torch
from pages import files
from scipy.special import softmax

from flows.cli import entry
from flows.experiment.file import load_experiment
from flows.run_experiment import run_experiment
from storage import scan
from tasks.datasets.readers import registry as readers
from tasks.errors import DatasetError
from tasks.evidence import dataset_estimates, group_means
from tasks.methods import registry as methods
from tasks.models.families import registry as families
from tasks.numerics.metrics import registry as metrics
from tasks.opening.list_samples import open_folder

pytestmark = [pytest.mark.xdist_group("prefect")]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file of the page into a temporary folder and import it under its name in the project."""

    def written(path):
        name = path.removesuffix(".py").replace("/", ".")
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(files("extending.md")[path])
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return written


@pytest.fixture
def run(tmp_path, prefect_api):
    """Run the small example with some baselines; return its results and its store."""

    def ran(*baselines):
        store = str(tmp_path / "store")
        file = tiny.experiment(tmp_path, baselines=["individual", *baselines], merge={"granularity": ["samples"]})
        asyncio.run(run_experiment(load_experiment(file), store))
        return scan("results", store=store).collect(), store

    return ran


def samples_of(results, store, method):
    """Return a method's predictions on the data set `two`, in order."""
    is_meant = (pl.col("method") == method) & (pl.col("dataset") == "two") & (pl.col("metric") == "top1")
    row = results.row(by_predicate=is_meant, named=True)
    return scan(row["samples_table"], store=store).filter(pl.col("id") == row["samples_id"]).collect()


def test_a_method_has_rows_and_is_what_the_page_says(write, run, monkeypatch):
    """The method of the page, in the registry, predicts with two models what `wise-ft/0.50` predicts."""
    monkeypatch.setitem(methods.METHODS, "half-base", write("tasks/methods/half_base.py").METHOD)
    results, store = run("half-base", "wise-ft/0.50")
    assert {"half-base", "wise-ft/0.50"} <= set(results["method"])
    assert samples_of(results, store, "half-base").equals(samples_of(results, store, "wise-ft/0.50"))


def test_a_per_sample_baseline_merges_by_its_own_measure(write, run, monkeypatch):
    """The method of the page, in the registry, has rows, and its coefficients are the softmax of its scores."""
    monkeypatch.setitem(methods.METHODS, "gini", write("tasks/methods/gini.py").METHOD)
    results, store = run("gini")
    logits = [samples_of(results, store, f"individual/{name}")["logits"].to_list() for name in ("base", "tuned")]
    scores = (softmax(np.array(logits, float), axis=2) ** 2).sum(axis=2) - 1
    digest = results.filter(dataset="two")["dataset_digest"][0]
    stored = scan("coefficients", store=store).filter(pl.col("dataset") == digest).collect()
    found = [np.array(own["coefficients"].to_list()) for _, own in stored.group_by("id")]
    assert samples_of(results, store, "gini/samples").height == 30
    assert any(np.allclose(own, softmax(scores, axis=0).T, atol=1e-5) for own in found)


def test_a_metric_has_a_row_for_every_method_and_data_set(write, run, monkeypatch):
    """The metric of the page, in the registry, is in the results with an interval, and its value is the share."""
    module = write("tasks/numerics/metrics/sure_errors.py")
    registered = (*metrics.METRICS, *module.METRICS)
    for place in (metrics, dataset_estimates, group_means):
        monkeypatch.setattr(place, "METRICS", registered)
    results, store = run()
    found = results.filter(metric="sure_errors")
    assert found.height == results.filter(metric="top1").height
    row = found.row(by_predicate=(pl.col("method") == "individual/tuned") & (pl.col("dataset") == "two"), named=True)
    samples = samples_of(results, store, "individual/tuned")
    wanted = ((samples["label_rank"] > 0) & (samples["confidence"] > 0.9)).mean()
    assert row["value"] == pytest.approx(wanted)
    assert row["ci_low"] <= wanted <= row["ci_high"]


def test_a_reader_is_found_by_the_name_of_its_list(write, monkeypatch, tmp_path):
    """The reader of the page, in the registry, reads a folder in the order of its list, and refuses half a line."""
    module = write("tasks/datasets/readers/csv_list.py")
    monkeypatch.setattr(readers, "READERS", (module.READER, *readers.READERS))
    folder = tmp_path / "images"
    tiny.image_folder(folder, 3, seed=0)
    (folder / "labels.csv").write_text("class2/00002.png,dog\nclass0/00000.png,cat\n")
    samples = readers.read_samples(open_folder(str(folder)))
    assert samples.labels.tolist() == [1, 0]
    assert list(samples.classes) == ["cat", "dog"]
    (folder / "labels.csv").write_text("class2/00002.png\n")
    with pytest.raises(DatasetError, match=r"labels\.csv: damaged, wanted a path and a class in each line"):
        readers.read_samples(open_folder(str(folder)))


def test_a_family_is_recognised_by_its_names(write, monkeypatch):
    """The family of the page, in the registry, gives a wrapped checkpoint by open_clip's names, and no other one."""
    module = write("tasks/models/families/lightning.py")
    monkeypatch.setattr(families, "FAMILIES", (module.FAMILY, *families.FAMILIES))
    state = {f"net.visual.{name}": tensor for name, tensor in tiny.classifier(0).visual.state_dict().items()}
    found = families.recognise({**state, "net.head.weight": torch.ones(3, 16)}, "here")
    assert found.family == "lightning"
    assert {"visual.class_embedding", "head.weight", "head.bias"} <= found.tensors.keys()
    assert not any(name.startswith("net.") for name in found.tensors)
    assert families.recognise({"visual.class_embedding": torch.ones(2)}, "here").family != "lightning"


def test_a_command_is_in_the_help_and_runs(write, run, monkeypatch, tmp_path, capsys):
    """The command of the page, in the registry, is listed, prints a store's experiments, and ends wrong requests."""
    write("flows/cli/experiments.py")
    monkeypatch.setitem(entry.COMMANDS, "experiments", "list the experiments that have results")
    with pytest.raises(SystemExit):
        entry.main(["--help"])
    assert "experiments list the experiments that have results" in " ".join(capsys.readouterr().out.split())
    _, store = run()
    capsys.readouterr()
    assert entry.main(["experiments", "--store", store]) == 0
    assert capsys.readouterr().out == "tiny\n"
    assert entry.main(["experiments", "--store", "nosuch://place"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
