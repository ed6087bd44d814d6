"""Data sets go their own way: a small one is finished before a large one, and one that fails stops no other."""

import asyncio
import shutil

import polars as pl
import pytest
import tiny
from damage import delete, described, rewritten, with_value
from pool_here import run_here, use_pool_here
from runs import run, written

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage.store import Store
from tasks.streaming import images as module

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


def example(folder, large=60, small=6):
    """Write an experiment whose first data set is ten times the second; return its file."""
    file = tiny.experiment(folder, samples=small)
    shutil.rmtree(folder / "one")
    tiny.image_folder(folder / "one", large, 3)
    return file


def numbers(rows):
    return rows.select("method", "dataset", "metric", "value").sort(pl.all())


def plan_of(file, store):
    return checked_plan(load_experiment(file), Store(str(store)))


def to_run(file, store):
    """Return the data sets and stages of which a plan has something to compute."""
    return {(step.dataset, step.stage) for step in plan_of(file, store).steps() if step.missing}


def test_a_small_data_set_is_evaluated_before_a_large_one_is_extracted(tmp_path, monkeypatch):
    """In one process the data set with the least to do comes first, whatever the order of the experiment."""
    file, store = example(tmp_path), str(tmp_path / "store")
    kept, write = [], Store._write

    def noted(self, key, content, **options):
        kept.append(key)
        return write(self, key, content, **options)

    monkeypatch.setattr(Store, "_write", noted)
    large, small = (dataset.digest for dataset in plan_of(file, store).datasets)
    run(file, store)
    tables = [key for key in kept if key.endswith(".parquet")]
    last = max(i for i, key in enumerate(tables) if key.startswith("predictions/") and small in key)
    assert last < min(i for i, key in enumerate(tables) if key.startswith("outputs/") and large in key)


def test_on_a_pool_a_small_data_set_is_evaluated_while_a_large_one_is_extracted(tmp_path, monkeypatch):
    """The large extraction waits here for the small evaluation to begin; the parent fits in a thread meanwhile."""
    file, store = example(tmp_path), str(tmp_path / "store")
    has_begun, order = asyncio.Event(), []

    async def elsewhere(child, _):
        order.append(child.name.partition(":")[0])
        if order[-1] == "evaluate two":
            has_begun.set()
        if order[-1] == "extract one":
            await asyncio.wait_for(has_begun.wait(), 240)
        await run_here(child)

    use_pool_here(monkeypatch, elsewhere)
    rows = run(file, store)
    assert sorted(order[:2]) == ["extract one", "extract two"]  # the first whose missing objects are known goes first
    assert order[2:] == ["evaluate two", "evaluate one"]
    monkeypatch.undo()
    assert numbers(rows).equals(numbers(run(file, tmp_path / "undisturbed")))


@pytest.fixture
def vanishing(tmp_path, monkeypatch):
    """An experiment with three data sets; the images of the middle one vanish when the first batch is read."""
    datasets = [{"name": name, "images": name} for name in ("one", "two", "three")]
    file = tiny.experiment(tmp_path, samples=12, datasets=datasets)
    tiny.image_folder(tmp_path / "three", 12, 5)
    found = module.Images.batches

    def batches(self, spans, order=None):
        if (tmp_path / "two").exists():
            (tmp_path / "two").rename(tmp_path / "away")
        return found(self, spans, order)

    monkeypatch.setattr(module.Images, "batches", batches)
    return tmp_path, file, str(tmp_path / "store")


def test_a_data_set_whose_images_vanish_leaves_the_others_whole(vanishing, capsys, monkeypatch):
    """One line names it, the exit status is 1, and a rerun computes it alone, to the numbers of an undisturbed run."""
    folder, file, store = vanishing
    assert main(["run", file, "--store", store]) == 1
    shown = capsys.readouterr()
    (line,) = [line for line in shown.err.splitlines() if "failed" in line]
    assert line.startswith("dawin: data set two failed: ")
    assert "all tables of the other data sets are complete" in line
    assert "Traceback" not in shown.err
    (folder / "away").rename(folder / "two")
    monkeypatch.undo()
    assert {dataset for dataset, _ in to_run(file, store)} == {"two"}
    assert not list(Store(store).keys("results"))
    before = written(store)
    rows = run(file, store)
    assert all(written(store)[key] == time for key, time in before.items())
    two = next(d.digest for d in plan_of(file, store).datasets if d.name == "two")
    new = [key for key in written(store).keys() - before.keys() if not key.startswith(("results", "comparisons"))]
    assert new
    assert all(two in key for key in new)
    assert numbers(rows).equals(numbers(run(file, folder / "undisturbed")))


def test_a_damaged_object_of_one_data_set_is_computed_again_alone(tmp_path, capsys):
    """The repair computes what the damaged object is made of, and nothing of the other data set."""
    file, store = tiny.experiment(tmp_path, samples=12), Store(str(tmp_path / "store"))
    rows = run(file, store.url)
    one, _ = (dataset.digest for dataset in plan_of(file, store.url).datasets)
    for key in [key for key in store.keys("") if key.startswith(("predictions/", "results/"))]:
        delete(store, key)
    (harmed,) = [key for key in store.keys("mixtures") if one in key and key.endswith(".parquet")]
    kept = written(store.url.removeprefix("file://"))
    described(store, harmed, rewritten(store.read(harmed), with_value("coefficients", 3, [float("nan"), 0.5])))
    assert main(["run", file, "--store", store.url]) == 0
    assert f"{store.address(harmed)}: damaged, column coefficients" in capsys.readouterr().err
    after = written(store.url.removeprefix("file://"))
    changed = {key for key, time in kept.items() if after[key] != time}
    assert changed == {harmed}
    assert numbers(run(file, store.url)).equals(numbers(rows))
