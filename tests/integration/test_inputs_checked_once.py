"""A run checks its inputs once, in the parent; children open what the plan names, and refuse what has changed."""

import asyncio
from collections import Counter

import pytest
import tiny

from flows.cli import main
from flows.errors import OrchestrationError
from flows.experiment.file import load_experiment
from flows.extract_outputs import extract_outputs
from flows.planning import checkpoint_records, datasets
from flows.planning.check import checked_plan
from flows.planning.written_plan import read_plan, write_plan
from storage import file_marks
from storage.errors import ObjectDamaged
from storage.store import Store
from tasks.errors import CheckpointError, DatasetError
from tasks.methods.registry import METHODS
from tasks.opening import verified_files
from tasks.streaming import images

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture
def counted(monkeypatch):
    """Counts listings of data sets and digests of files, in the parent's check and in children."""
    counts = Counter()

    def count(module, name, key):
        function = getattr(module, name)

        def counting(*arguments, **options):
            subject = arguments[0] if isinstance(arguments[0], str) else getattr(arguments[0], "name", "file")
            counts[key, str(subject).rpartition("/")[2]] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(datasets, "list_dataset", "parent lists")
    count(images, "list_again", "child lists")
    count(checkpoint_records, "digest_of_file", "parent hashes")
    count(verified_files, "digest_of_file", "child hashes")
    return counts


@pytest.mark.parametrize(("settled", "hashes"), [(-3600.0, 0), (3600.0, 4)])
def test_inputs_are_checked_once_by_the_parent(tmp_path, counted, monkeypatch, settled, hashes):
    """The parent lists and hashes each input once; a child hashes files that had just changed then, twice."""
    monkeypatch.setattr(file_marks, "_SETTLED", settled)
    file = tiny.experiment(tmp_path, samples=12)
    settings = ["--set", "merge.granularity=[]", "--set", "baselines=[individual]"]
    assert main(["run", file, "--store", str(tmp_path / "store"), *settings]) == 0
    assert {what: counted[what] for what in counted if "lists" in what[0]} == {
        ("parent lists", "one"): 1,
        ("parent lists", "two"): 1,
        ("child lists", "one"): 1,
        ("child lists", "two"): 1,
    }
    children = {("child hashes", name): hashes for name in ("base.pt", "tuned.pt") if hashes}
    assert {what: counted[what] for what in counted if "hashes" in what[0]} == {
        ("parent hashes", "base.pt"): 1,
        ("parent hashes", "tuned.pt"): 1,
        **children,  # two of them, one per data set, before and after they read a file
    }


@pytest.fixture
def planned(tmp_path, monkeypatch, request):
    """An experiment whose plan is in its store, with the marks of files that have settled for some seconds."""
    monkeypatch.setattr(file_marks, "_SETTLED", getattr(request, "param", 2.0))
    file, store = tiny.experiment(tmp_path, samples=12), Store(str(tmp_path / "store"))
    return tmp_path, store, write_plan(checked_plan(load_experiment(file), store))


def extracted(store, key):
    return asyncio.run(extract_outputs(plan=key, dataset="one", store=store.url))


@pytest.mark.parametrize("planned", [-3600.0, 3600.0], indirect=True)
def test_a_checkpoint_that_changes_during_a_run_is_refused(planned):
    """Its outputs would be stored under the first file's digest, so the child ends, and no table is written."""
    folder, store, key = planned
    tiny.checkpoint(folder / "tuned.pt", 77)
    with pytest.raises(CheckpointError, match=r"tuned\.pt: changed since the run began"):
        extracted(store, key)
    assert list(store.keys("outputs")) == []


def test_a_data_set_that_changes_during_a_run_is_refused(planned):
    """A new image moves samples, so the child ends, and no table is written."""
    folder, store, key = planned
    tiny.image_folder(folder / "one", 13, seed=3)
    with pytest.raises(DatasetError, match=r"data set one .*: changed since the run began"):
        extracted(store, key)
    assert list(store.keys("outputs")) == []


def test_a_plan_comes_back_as_it_was_written(planned):
    """Everything that a child reads equals what the parent planned, reference by reference."""
    folder, store, key = planned
    plan, found = checked_plan(load_experiment(str(folder / "tiny.yaml")), store), read_plan(key, store)
    assert found == plan
    assert [cell.predictions.id for cell in found.cells] == [cell.predictions.id for cell in plan.cells]
    assert write_plan(found) == key


def test_a_damaged_plan_is_no_plan(planned):
    """A child refuses other bytes under the plan's key, and the parent's next run writes the plan again."""
    folder, store, key = planned
    store.replace(key, store.read(key)[:-1] + b" ")
    with pytest.raises(ObjectDamaged, match="wanted the plan of that digest"):
        read_plan(key, store)
    assert write_plan(checked_plan(load_experiment(str(folder / "tiny.yaml")), store)) == key
    assert read_plan(key, store).cells


def test_a_plan_of_another_version_is_refused(planned, monkeypatch):
    """A worker with another version would store its numbers as the parent's, so it refuses the plan and says why."""
    _, store, key = planned
    monkeypatch.setattr(type(METHODS["ties"]), "version", 7)
    with pytest.raises(OrchestrationError, match="another version of dawin: method ties wanted 1, got 7 in this proc"):
        extracted(store, key)
    assert list(store.keys("outputs")) == []
