"""A look at all runs: what it costs on S3, and what it sees of runs that changed behind the catalogue's back."""

import os

import polars as pl
import pytest
from counted_requests import counted
from damage import flipped
from many_runs import commit_bare, commit_run, fill, in_order, rows_below

from flows.cli import main
from storage import catalogue, keys, scan
from storage.catalogue import layout
from storage.catalogue.reading import Rows
from storage.catalogue.versions import present
from storage.errors import ObjectDamaged, ObjectMissing
from storage.pointers import experiments, latest_run
from storage.store import Store


def test_leaderboard_and_results_send_s3_the_same_requests_whatever_the_number_of_runs(s3, capsys):
    """A hundred runs and a thousand: one listing of the catalogue, none of the results, and at most eight in all."""
    made = {}
    for count in (100, 1000):
        store = Store(f"{s3}/{count}")
        fill(store, count, methods=["individual/base", "dawin/samples"], datasets=["clean"], metrics=["top1"])
        for words in (["leaderboard"], ["leaderboard", "digits"], ["leaderboard", "--json"], ["store", "runs"]):
            with counted(s3) as requests:
                if words == ["store", "runs"]:
                    assert catalogue.runs(store).height == count + 1
                else:
                    assert main([*words, "--store", store.url]) == 0
            made.setdefault(tuple(words), []).append(requests)
        with counted(s3) as requests:
            assert latest_run(store, "digits") == f"r{count:06d}"
            assert experiments(store) == ["digits"]
        made.setdefault("latest", []).append(requests)
    for words, (few, many) in made.items():
        assert few.operations == many.operations, words
        assert sum("catalogue" in key for key in many.keys("LIST")) == 1
        assert not [key for key in many.keys("LIST") if "results" in key]
    assert made["leaderboard",][1].total <= 8
    assert capsys.readouterr().out.count("run_id") > 0  # the documents of --json


@pytest.fixture
def local(tmp_path):
    """A local store of three runs."""
    store = Store(str(tmp_path / "store"))
    for number in range(3):
        commit_run(store, number)
    return store


def runs_in(store):
    """The identifiers of the sound runs, of which `scan` has the rows."""
    found = catalogue.look(store).runs["run_id"].to_list()
    assert sorted(scan("results", store=store).collect()["run_id"].unique()) == found
    return found


def test_a_local_run_that_was_deleted_or_added_by_hand_shows_at_once(local):
    """The files of a local store are compared with the catalogue, with no file opened."""
    local.delete(keys.manifest(keys.results("digits", "r000001")))
    assert runs_in(local) == ["r000000", "r000002"]
    commit_bare(local, 7)
    assert runs_in(local) == ["r000000", "r000002", "r000007"]
    assert in_order(scan("results", store=local).collect()).equals(rows_below(local))


def test_a_damaged_local_run_is_left_out_with_one_line(local, caplog):
    """Its bytes are compared with the manifest, because the time of its file has changed."""
    key = keys.results("digits", "r000001")
    local.replace(key, flipped(local.read(key)))
    assert runs_in(local) == ["r000000", "r000002"]
    assert f"left out: {local.address(key)}: damaged, wanted SHA-256" in caplog.text
    for number in (0, 2):
        local.replace(keys.results("digits", f"r{number:06d}"), b"")
    with pytest.raises(ObjectDamaged, match=r"r000000/results\.parquet: damaged"):
        scan("results", store=local)


def test_a_copy_with_other_times_is_read_as_before(local, tmp_path):
    """A copy that keeps no times costs a look at each run, and gives the same rows."""
    for key in local.keys("results"):
        os.utime(local.address(key).removeprefix("file://"), (1, 1))
    assert runs_in(local) == ["r000000", "r000001", "r000002"]
    assert catalogue.rebuild(local) == 3
    assert not catalogue.look(local)._loose


DAMAGES = {
    "version": lambda store, version: store.replace(layout.version_key(version.number), b"{"),
    "version of other form": lambda store, version: store.replace(
        layout.version_key(version.number), b'{"form": 1, "results": 3}'
    ),
    "runs": lambda store, version: store.replace(version.runs.key, b"torn"),
    "newest": lambda store, version: store.replace(version.newest.key, flipped(store.read(version.newest.key))),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_catalogue_is_a_line_and_the_runs_are_read_themselves(local, kind, caplog):
    """No reader fails, and a repair, or the next writer that needs the object, builds the catalogue again."""
    catalogue.rebuild(local)
    DAMAGES[kind](local, present(local).version)
    assert len(catalogue.look(local, rows=Rows.NEWEST).newest_top1()["run_id"].unique()) == 3
    assert "the catalogue of results is damaged, and results are read run by run" in caplog.text
    assert len(catalogue.faults(local)) == 1
    commit_run(local, 3) if kind.startswith("version") else catalogue.rebuild(local)
    assert catalogue.faults(local) == []
    assert in_order(scan("results", store=local).collect()).equals(rows_below(local))


def test_a_reader_whose_version_is_replaced_meanwhile_starts_again(local, monkeypatch):
    """Its parts may be gone by then; it never sees half of two versions."""
    stale = present(local)
    local.delete(stale.version.recent.key)
    answers, real = [stale, stale], present
    monkeypatch.setattr("storage.catalogue.reading.present", lambda store: answers.pop() if answers else real(store))
    catalogue.rebuild(local)
    assert in_order(catalogue.look(local, rows=Rows.ALL).rows(catalogue.runs(local)).collect()).equals(
        rows_below(local)
    )


def test_the_newest_runs_of_each_experiment_are_those_of_all_rows(local):
    """The small part of newest rows gives what a scan of everything gives, also where a newest run was deleted."""
    for number in range(3, 16):
        commit_run(local, number, experiment="letters" if number % 3 else "digits")
    catalogue.rebuild(local)
    commit_run(local, 16, experiment="letters")
    for count in (1, 3, 10, None):
        seen = catalogue.look(local, rows=Rows.NEWEST)
        every = scan("results", store=local).filter(metric="top1").collect()
        order = every.group_by("experiment", "run_id").agg(pl.col("created_at").min()).sort("created_at")
        wanted = order if count is None else order.group_by("experiment").tail(count)
        assert {*seen.newest_top1(count)["run_id"]} == {*wanted["run_id"]}
    local.delete(keys.manifest(keys.results("letters", "r000014")))
    found = catalogue.look(local, "letters", Rows.NEWEST).newest_top1(3)
    assert {*found["run_id"]} == {"r000011", "r000013", "r000016"}


def test_deleted_runs_are_forgotten_and_existing_ones_are_not(s3):
    """On S3 nobody sees a deletion by hand until then; a run whose manifest exists stays whatever is asked."""
    store = Store(f"{s3}/store")
    for number in range(4):
        commit_run(store, number)
    catalogue.rebuild(store)
    commit_run(store, 4)
    for number in (1, 4):
        store.delete(keys.manifest(keys.results("digits", f"r{number:06d}")))
    assert [line.partition(": ")[2].partition(";")[0] for line in catalogue.faults(store)] == [
        "in the catalogue, and not in the store"
    ] * 2
    assert catalogue.forget(store, [("digits", "r000001"), ("digits", "r000002"), ("digits", "r000004")]) == 2
    assert catalogue.faults(store) == []
    assert runs_in(store) == ["r000000", "r000002", "r000003"]
    assert catalogue.forget(store, [("digits", "r000001"), ("none", "none")]) == 0


def test_faults_name_runs_that_the_catalogue_does_not_have_or_has_otherwise(s3):
    """One line each, and none after a repair."""
    store = Store(f"{s3}/store")
    commit_run(store, 0)
    commit_bare(store, 1)
    store.delete(keys.results("digits", "r000000"))
    store.delete(keys.manifest(keys.results("digits", "r000000")))
    commit_bare(store, 5, run_id="r000000")
    earlier, absent = catalogue.faults(store)
    assert "r000000/results.parquet: the catalogue has an earlier state of it; `dawin store verify --repair`" in earlier
    assert "r000001/results.parquet: not in the catalogue" in absent
    assert catalogue.rebuild(store) == 2
    assert catalogue.faults(store) == []


def test_a_store_without_results_has_no_catalogue_and_no_faults(memory):
    """Nothing is written for it."""
    store = Store(memory)
    assert catalogue.runs(store).is_empty()
    assert catalogue.faults(store) == []
    assert catalogue.forget(store, [("digits", "r0")]) == 0
    with pytest.raises(ObjectMissing, match="results: nothing has been committed yet"):
        scan("results", store=store)
    assert list(store.keys()) == []


@pytest.mark.parametrize("key", ["results/../../secret", "/etc/passwd", 7])
def test_a_version_that_names_other_objects_is_damaged(local, key, caplog):
    """A part lies in the folder of parts, whatever a version says."""
    version = present(local).version
    content = layout.version_content(version).decode().replace(f'"{version.runs.key}"', repr(key).replace("'", '"'))
    local.replace(layout.version_key(version.number), content.encode())
    assert catalogue.runs(local).height == 3
    assert "cannot have the key" in caplog.text
