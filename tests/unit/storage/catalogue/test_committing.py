"""Commits into the catalogue: every run exactly once, wherever a writer is killed and however many there are."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from many_runs import commit_bare, commit_run, in_order, rows_below, writer_of

from storage import catalogue, keys, scan
from storage.catalogue import layout, notes
from storage.catalogue.versions import present
from storage.errors import StoreDenied
from storage.store import Store

SUPPORT = Path(__file__).parents[3] / "support"


class Killed(BaseException):
    """The end of a process: nothing in the catalogue catches it."""


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path):
    return Store(str(tmp_path / "store") if request.param == "local" else f"{request.getfixturevalue('s3')}/store")


@pytest.fixture
def small(monkeypatch):
    """Two recent runs, segments of four, three of which become one."""
    monkeypatch.setattr("storage.catalogue.folding.RECENT", 2)
    monkeypatch.setattr("storage.catalogue.folding.SEGMENT", 8)
    monkeypatch.setattr("storage.catalogue.folding._SMALL", 3)


def assert_complete(store):
    """Assert that the catalogue has every run once, with the rows of its own results, and that nothing differs."""
    found = catalogue.runs(store).select("experiment", "run_id").rows()
    wanted = [(keys.experiment_of(key), keys.run_of(key)) for key in store.keys("results") if keys.is_results(key)]
    assert sorted(found) == sorted(wanted)
    assert in_order(scan("results", store=store).collect()).equals(rows_below(store))
    assert catalogue.faults(store) == []


@pytest.mark.usefixtures("small")
def test_the_catalogue_has_the_rows_of_all_runs_after_every_commit(store):
    """Recent runs, segments and segments that became one give the same rows as the results themselves."""
    for number in range(14):
        commit_run(store, number)
        if number % 3 == 1:
            assert_complete(store)
    version = present(store).version
    assert len(version.segments) < 4
    assert sum(part.runs for part in version.segments) + len(version.entries) == 14


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("number", [1, 7])
def test_a_run_that_was_computed_again_has_its_new_rows(store, number):
    """A run of a segment and a recent one are each replaced, at once and after further commits."""
    for one in range(8):
        commit_run(store, one)
    store.delete(keys.manifest(keys.results("digits", f"r{number:06d}")))
    store.delete(keys.results("digits", f"r{number:06d}"))
    commit_run(store, number + 50, run_id=f"r{number:06d}")
    assert_complete(store)
    for one in range(8, 12):
        commit_run(store, one)
    assert_complete(store)


def test_old_versions_and_parts_are_deleted(store, monkeypatch):
    """A store with many commits holds a bounded number of the catalogue's objects; the first version stays."""
    monkeypatch.setattr("storage.catalogue.versions.KEPT", 3)
    for number in range(15):
        commit_run(store, number)
    found = [key for key in store.keys(layout.FOLDER) if layout.is_version(key)]
    assert found[0] == layout.version_key(1)
    assert found[-1] == layout.version_key(15)
    assert len(list(store.keys(layout.FOLDER))) <= 4 * 3 + 3
    assert_complete(store)


def partialmethod_of(struck, own):
    """Return a method that hands the method of `Store` which it replaces to a function."""
    return lambda *arguments: struck(own, *arguments)


def killed_at(store, step):
    """Commit a further run until a write or deletion, after which the process ends; return whether it got there."""
    count = 0
    with pytest.MonkeyPatch.context() as patch:

        def struck(own, *arguments):
            nonlocal count
            count += 1
            own(*arguments)
            if count == step:
                raise Killed

        for name in ("create", "replace", "delete"):
            patch.setattr(Store, name, partialmethod_of(struck, getattr(Store, name)))
        try:
            commit_run(store, 3)
        except Killed:
            return True
    return False


@pytest.mark.usefixtures("small")
def test_a_writer_that_is_killed_at_any_step_loses_no_run(store):
    """Readers see the run as soon as its manifest exists, and the next commit of any run brings it in."""
    step, was_killed = 0, True
    root = store.url
    while was_killed:
        step += 1
        own = Store(f"{root}/{step}")
        for number in range(3):
            commit_run(own, number)
        was_killed = killed_at(own, step)
        is_committed = own.exists(keys.manifest(keys.results("digits", "r000003")))
        assert catalogue.runs(own).height == 3 + is_committed
        assert in_order(scan("results", store=own).collect()).equals(rows_below(own))
        commit_run(own, 4)
        assert catalogue.runs(own).height == 4 + is_committed
        commit_run(own, 3)  # the run is computed again where it had no manifest
        assert_complete(own)
    assert step > 8  # the note, two objects, three parts, the version, and the note again


def test_a_note_is_left_alone_for_an_hour(store, monkeypatch):
    """Its writer may be about to write the manifest; afterwards the next writer deletes it."""
    commit_run(store, 0)
    left = notes.note(store, keys.results("digits", "r000009"))
    commit_run(store, 1)
    assert store.exists(left)
    assert catalogue.runs(store).height == 2
    monkeypatch.setattr(notes, "OLD", -notes.OLD)
    assert len(catalogue.faults(store)) == 1
    commit_run(store, 2)
    assert not store.exists(left)


def test_a_commit_succeeds_although_the_catalogue_cannot_be_written(store, monkeypatch, caplog):
    """The results count from their manifest on; a line says that the catalogue is behind, and readers see the run."""
    commit_run(store, 0)
    with monkeypatch.context() as patch:
        patch.setattr("storage.catalogue.folding.publish", lambda *_: (_ for _ in ()).throw(StoreDenied("full")))
        commit_run(store, 1)
    assert "the catalogue of results is behind" in caplog.text
    assert catalogue.runs(store).height == 2
    commit_run(store, 2)
    assert_complete(store)


def test_results_that_cannot_be_noted_are_not_written(store, monkeypatch):
    """A run that is in no catalogue and has no note would never be found on S3."""
    monkeypatch.setattr("storage.catalogue.committing.note", lambda *_: (_ for _ in ()).throw(StoreDenied("no")))
    with pytest.raises(StoreDenied):
        commit_run(store, 0)
    assert list(store.keys()) == []


def test_a_writer_that_slept_through_many_versions_starts_again(store, monkeypatch):
    """A version of a number that was deleted already would hide its run: the writer notices that it has no place."""
    monkeypatch.setattr("storage.catalogue.versions.KEPT", 2)
    for number in range(3):
        commit_run(store, number)
    stale = present(store)
    for number in range(3, 12):
        commit_run(store, number)
    assert not store.exists(layout.version_key(stale.number + 1))
    answers = [stale]
    real = present
    monkeypatch.setattr("storage.catalogue.folding.present", lambda own: answers.pop() if answers else real(own))
    commit_run(store, 12)
    assert_complete(store)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["local", "s3"])
def test_eight_processes_commit_at_once(place, tmp_path, request):
    """Each of their runs is in the catalogue exactly once, and no note is left."""
    url = str(tmp_path / "store") if place == "local" else f"{request.getfixturevalue('s3')}/store"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    program = [sys.executable, str(SUPPORT / "commit_runs.py"), url]
    writers = [subprocess.Popen([*program, str(100 * i), "2"], env=environment) for i in range(8)]
    assert [writer.wait() for writer in writers] == [0] * 8
    store = Store(url)
    assert_complete(store)
    assert catalogue.runs(store).height == 16
    assert notes.noted(store.keys(layout.FOLDER)) == {}


def test_two_writers_of_one_run_end_well(store):
    """The second one finds the first one's results, and both leave one run."""
    first, second = writer_of(store, 0), writer_of(store, 0)
    assert catalogue.commit_results(store, first) == catalogue.commit_results(store, second)
    assert_complete(store)


def test_the_first_commit_brings_in_all_earlier_runs(store):
    """A store from before the catalogue is read as before, and its next writer builds one."""
    for number in range(3):
        commit_bare(store, number)
    assert catalogue.runs(store).height == 3
    assert in_order(scan("results", store=store).collect()).equals(rows_below(store))
    assert "missing, with 3 runs" in catalogue.faults(store)[0]
    commit_run(store, 3)
    assert_complete(store)
    assert isinstance(scan("results", store=store), pl.LazyFrame)
