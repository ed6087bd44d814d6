"""The files that `docs/extending.md` shows do what the page says, each with the one line in its registry."""

import asyncio
import importlib.util
import sys

import polars as pl
import pytest
import tiny
import torch
from pages import files

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


@pytest.mark.usefixtures("prefect_api")
def test_a_metric_has_a_row_for_every_method_and_data_set(write, monkeypatch, tmp_path):
    """The metric of the page, in the registry, is in the results of the small example, with the entropies' mean."""
    registry = pytest.importorskip("tasks.numerics.metrics.registry")
    from flows.experiment.file import load_experiment
    from flows.run_experiment import run_experiment
    from storage import scan

    module = write("tasks/numerics/metrics/mean_entropy.py")
    monkeypatch.setattr(registry, "METRICS", (*registry.METRICS, module.MEAN_ENTROPY))
    store = str(tmp_path / "store")
    asyncio.run(run_experiment(load_experiment(tiny.experiment(tmp_path)), store))
    results = scan("results", store=store).collect()
    found = results.filter(metric="mean_entropy")
    assert found.height == results.filter(metric="top1").height
    row = found.row(by_predicate=(pl.col("method") == "individual/tuned") & (pl.col("dataset") == "two"), named=True)
    samples = scan(row["samples_table"], store=store).filter(pl.col("id") == row["samples_id"]).collect()
    assert row["value"] == pytest.approx(samples["entropy"].mean())
    assert row["ci_low"] is None


def test_a_reader_is_found_by_the_name_of_its_list(write, monkeypatch, tmp_path):
    """The reader of the page, in the registry, reads a folder in the order of its list."""
    registry = pytest.importorskip("tasks.datasets.readers.registry")
    from tasks.errors import DatasetError
    from tasks.opening.list_samples import open_folder

    module = write("tasks/datasets/readers/csv_list.py")
    monkeypatch.setattr(registry, "READERS", (module.READER, *registry.READERS))
    folder = tmp_path / "images"
    tiny.image_folder(folder, 3, seed=0)
    (folder / "labels.csv").write_text("class2/00002.png,dog\nclass0/00000.png,cat\n")
    samples = registry.read_samples(open_folder(str(folder)))
    assert samples.labels.tolist() == [1, 0]
    assert list(samples.classes) == ["cat", "dog"]
    (folder / "labels.csv").write_text("class2/00002.png\n")
    with pytest.raises(DatasetError, match=r"labels\.csv: damaged, wanted a path and a class in each line"):
        registry.read_samples(open_folder(str(folder)))


def test_a_family_is_recognised_by_its_names(write, monkeypatch):
    """The family of the page, in the registry, gives a wrapped checkpoint by open_clip's names."""
    registry = pytest.importorskip("tasks.models.families.registry")
    module = write("tasks/models/families/lightning.py")
    monkeypatch.setattr(registry, "FAMILIES", (module.LIGHTNING, *registry.FAMILIES))
    state = {f"net.visual.{name}": tensor for name, tensor in tiny.classifier(0).visual.state_dict().items()}
    found = registry.recognise({**state, "net.head.weight": torch.ones(3, 16)}, "here")
    assert found.family == "lightning"
    assert {"visual.class_embedding", "head.weight", "head.bias"} <= found.tensors.keys()
    assert not any(name.startswith("net.") for name in found.tensors)
    assert registry.recognise({"visual.class_embedding": torch.ones(2)}, "here").family != "lightning"


@pytest.mark.parametrize(("experiments", "status"), [(["digits", "other"], 0), ([], 0)])
def test_a_command_is_in_the_help_and_runs(write, monkeypatch, tmp_path, capsys, experiments, status):
    """The command of the page, in the registry, is listed, and prints the experiments of a store."""
    entry = pytest.importorskip("flows.cli.entry")
    if not hasattr(entry, "COMMANDS"):
        pytest.skip("commands have no registry")
    write("flows/cli/experiments.py")
    monkeypatch.setattr(entry, "COMMANDS", (*entry.COMMANDS, "experiments"))
    with pytest.raises(SystemExit):
        entry.main(["--help"])
    assert "experiments  list the experiments that have results in the store" in capsys.readouterr().out
    from storage.pointers import point_to_latest
    from storage.store import Store

    store = Store(str(tmp_path / "store"))
    for name in experiments:
        point_to_latest(store, name, "r1")
    assert entry.main(["experiments", "--store", store.url]) == status
    assert capsys.readouterr().out.split() == experiments
