"""Nothing is computed twice: a second run reuses every table whose inputs did not change, and no other."""

import os
import shutil
from pathlib import Path

import polars as pl
import pytest
import tiny
import torch
import yaml
from runs import run, written

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage.pointers import latest_run
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


def test_running_again_computes_nothing(copied):
    """A second run writes nothing, returns the same rows, and its plan is done."""
    _, file, store, rows = copied
    before = written(store)
    again = run(file, store)
    assert again.equals(rows)
    assert written(store) == before
    assert checked_plan(load_experiment(file), Store(store)).is_done


def test_another_number_of_clusters_reuses_every_extraction(copied):
    """Only mixtures, their predictions, the results and the comparisons are new."""
    _, file, store, _ = copied
    before = written(store)
    run(file, store, "merge.clusters=3")
    new = sorted({key.split("/")[0] for key in written(store).keys() - before.keys()})
    assert new == ["comparisons", "components", "mixtures", "predictions", "results"]
    assert len([k for k in written(store).keys() - before.keys() if k.startswith("predictions")]) == 2
    assert {key: at for key, at in written(store).items() if key in before} == before


def test_a_third_model_is_the_only_one_extracted(copied):
    """A third model is the only one extracted, and the results use the formulas for many models."""
    folder, file, store, _ = copied
    tiny.checkpoint(folder / "third.pt", 3)
    content = yaml.safe_load(Path(file).read_text())
    content["models"].append({"name": "third", "checkpoint": "third.pt"})
    Path(file).write_text(yaml.safe_dump(content))
    before = {key for key in written(store) if key.startswith("outputs")}
    rows = run(file, store)
    new = {key for key in written(store) if key.startswith("outputs")} - before
    assert len(new) == 2
    weights = rows.filter(pl.col("method") == "individual/third")["weights"].to_list()[0][0]
    assert all(f"weights={weights[:16]}" in key for key in new)
    assert set(rows["method"]) >= {"individual/third", "dawin/clusters-2", "dawin/samples", "wise-ft/0.50"}


@pytest.mark.parametrize("change", ["checkpoint byte", "temperature", "image"])
def test_a_changed_input_is_computed_again(copied, change):
    """One byte of a checkpoint (its time kept), a temperature, or one image has two tables computed again."""
    folder, file, store, _ = copied
    before = {key for key in written(store) if key.startswith("outputs")}
    overrides, expected_new = (), 2
    if change == "checkpoint byte":
        path = folder / "tuned.pt"
        times = path.stat()
        state = torch.load(path, weights_only=True)
        state["model.visual.proj"].view(torch.uint8).view(-1)[0] ^= 1
        torch.save(state, path)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "temperature":
        overrides = ("models.1.temperature=1.5",)
    else:
        tiny.image_folder(folder / "one", 1, seed=99)
    run(file, store, *overrides)
    new = {key for key in written(store) if key.startswith("outputs")} - before
    assert len(new) == expected_new


def test_another_name_or_place_changes_nothing_that_is_computed(copied):
    """Names and addresses are no part of the identity: only the results and the comparisons are new."""
    folder, file, store, _ = copied
    shutil.move(folder / "base.pt", folder / "moved.pt")
    before = written(store)
    run(file, store, f"models.0.checkpoint={folder}/moved.pt", "models.0.name=first", "name=renamed")
    assert sorted({key.split("/")[0] for key in written(store).keys() - before.keys()}) == ["comparisons", "results"]


def test_the_latest_run_is_the_one_that_was_asked_for_last(copied):
    """The pointer follows the last run asked for, even if nothing was left to compute, and its loss is repaired."""
    _, file, store, rows = copied
    first = rows["run_id"][0]
    second = run(file, store, "merge.clusters=3")["run_id"][0]
    assert latest_run(Store(store), "tiny") == second != first
    assert main(["run", file, "--store", store]) == 0
    assert latest_run(Store(store), "tiny") == first
    Path(store, "results", "experiment=tiny", "latest.json").unlink()
    assert latest_run(Store(store), "tiny") in (first, second)
