"""Pruning a store made by hand: what is not ours stays, what no run names goes, and doubt keeps everything."""

import logging
from pathlib import Path

import damage
import kept_store
import many_runs
import pytest

from flows.errors import ExperimentError
from flows.upkeep import prune as pruning
from flows.upkeep.chosen_runs import RunChoice
from flows.upkeep.prune import prune
from flows.upkeep.verify import verify
from storage import catalogue, keys
from storage.catalogue.notes import note
from storage.errors import ObjectMissing, StoreDenied
from storage.manifests import read_manifest, write_manifest
from storage.pointers import latest_run, point_to_latest
from storage.store import Store
from storage.upkeep import inventory

NOTHING = RunChoice()
STRANGERS = (
    "checkpoints/vit-b32/config.json",
    "checkpoints/open_clip_config.json",
    "predictions/dataset=cifar10/part-0.parquet",
    "samples/dataset=a/b.parquet",
    "damaged/IMG_0001.jpg",
    "plans/2024.json",
    "datasets/2024.json",
    "heads/1.safetensors",
    "known-manifests/mine.json",
    "results/experiment=tiny/run_id=export/fig.pdf",
    ".tmp/mine",
    "notes.txt",
)


@pytest.fixture
def store(tmp_path):
    """A local store with every kind of object, whose results name none of the tables."""
    filled = kept_store.fill(Store(str(tmp_path / "store")))
    filled.delete(kept_store.PLAN)  # which no version of dawin can run, so that it would keep all tables for a week
    return filled


def needing(store, number, *places):
    """Commit a run whose results say what they were computed from."""
    return many_runs.commit_run(store, number, needs=places)


def tables(store):
    """Return the keys of the objects of tables, results left out."""
    return {key for key in store.keys(damage.PREFIX) if keys.is_table(key)}


def test_files_of_others_are_never_removed(store):
    """A file that has not exactly the form of an own one stays, in whatever folder it lies."""
    for key in STRANGERS:
        store.replace(key, b"mine")
    document = prune(store, NOTHING, grace=-1.0)
    assert not {*document.removed} & {*STRANGERS}
    root = Path(store.url.removeprefix("file://"))
    assert all((root / key).read_bytes() == b"mine" for key in STRANGERS)


def test_tables_that_no_run_names_go_and_named_ones_stay(store):
    """The folder in the results of one run decides."""
    before = tables(store)
    assert before
    needing(store, 7, damage.PREFIX)
    prune(store, NOTHING, grace=-1.0)
    assert tables(store) == before
    prune(store, RunChoice(keep_last=0), grace=-1.0)
    assert not tables(store)


@pytest.mark.parametrize("silence", ["cut off", "no needs and no samples"])
def test_results_that_do_not_say_what_they_need_keep_everything(store, silence, caplog):
    """Doubt about one run costs disk space, never a table."""
    key = needing(store, 7, damage.PREFIX)
    if silence == "cut off":
        store.replace(keys.manifest(key), store.read(keys.manifest(key))[:-1])
    else:
        manifest = read_manifest(store, key)
        object.__setattr__(manifest, "identity", {"predictions": {}})
        write_manifest(store, manifest)
    before = tables(store)
    prune(store, NOTHING, grace=-1.0)
    assert tables(store) == before
    assert "does not say what the run needs, so all tables stay" in caplog.text


def test_a_plan_of_another_version_keeps_everything(store, caplog):
    """A run of another version may be in progress, and what it needs is not known."""
    store.replace(kept_store.PLAN, kept_store.PLAN_TEXT)
    before = tables(store)
    prune(store, NOTHING, grace=-1.0)
    assert tables(store) == before
    assert "all tables stay until it is a week old" in caplog.text


def test_results_that_were_moved_aside_keep_their_tables_while_they_lie_there(store):
    """`store verify --repair` and `store prune` in turn lose no computed table for a week."""
    key = needing(store, 7, damage.PREFIX)
    aside = f"damaged/20261128T031500Z/{key}"
    for one in (key, keys.manifest(key)):
        store.replace(one.replace(key, aside), store.read(one))
        store.delete(one)
    before = tables(store)
    prune(store, NOTHING, grace=-1.0)
    assert tables(store) == before
    store.delete(keys.manifest(aside))
    prune(store, NOTHING, grace=-1.0)
    assert not tables(store)


def test_a_folder_that_is_a_link_is_refused(store, tmp_path):
    """Files behind a link look absent, so that their runs would seem to be gone."""
    results = Path(store.url.removeprefix("file://"), "results")
    results.rename(tmp_path / "elsewhere")
    results.symlink_to(tmp_path / "elsewhere")
    before = tables(store)
    with pytest.raises(StoreDenied, match="results: a link to a folder"):
        prune(store, NOTHING, grace=-1.0)
    assert tables(store) == before


def test_a_folder_without_a_store_is_refused(tmp_path):
    """A folder of somebody else is no store, even for a dry run."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ExperimentError, match="not a store"):
        prune(Store(str(tmp_path)), NOTHING, dry=True)


def test_a_pointer_to_a_removed_run_leads_to_the_newest_one_left(store, monkeypatch):
    """`results` never names a run that is gone."""
    point_to_latest(store, "digits", "r000000")
    monkeypatch.setattr(RunChoice, "chosen", lambda self, runs, *_: [one for one in runs if one.run_id == "r000000"])
    prune(store, RunChoice(keep_last=1), grace=-1.0)
    assert latest_run(store, "digits") == "r000001"


@pytest.mark.parametrize("choice", [RunChoice(keep_last=0), NOTHING])
def test_a_pointer_that_a_killed_call_left_is_mended_by_the_next_one(store, monkeypatch, choice):
    """Killed between the removal of a run and the change of the pointer, no call leaves a fault for `verify`."""

    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(pruning, "point_again", kill)
        with pytest.raises(Killed):
            prune(store, RunChoice(keep_last=0), grace=-1.0)
    assert [fault.kind for fault in verify(store).faults] == ["pointer"]
    prune(store, choice, grace=-1.0)
    assert verify(store).faults == []
    with pytest.raises(ObjectMissing):
        latest_run(store, "digits")


def test_runs_that_somebody_deleted_leave_the_catalogue(s3):
    """On S3 the catalogue shows them until then, because no reader lists the results."""
    store = kept_store.fill(Store(f"{s3}/store"))
    for key in (keys.manifest(kept_store.FIRST), kept_store.FIRST):
        store.delete(key)
    assert "r000000" in catalogue.runs(store)["run_id"].to_list()
    prune(store, NOTHING, grace=-1.0)
    assert catalogue.runs(store)["run_id"].to_list() == ["r000001"]


def test_a_note_of_a_killed_run_goes_and_a_committed_run_stays_in_the_catalogue(store):
    """The catalogue takes in the runs whose results are there before their notes go."""
    bare = many_runs.commit_bare(store, 5)
    for key in (bare, keys.results("digits", "r000009")):
        note(store, key)
    prune(store, NOTHING, grace=-1.0)
    assert not store.listing("catalogue/pending")
    assert sorted(catalogue.runs(store)["run_id"]) == ["r000000", "r000001", "r000005"]


def test_uploads_of_others_are_not_aborted(s3):
    """An unfinished upload goes only if its key is that of an own object."""
    store = kept_store.fill(Store(f"{s3}/store"))
    bucket = s3.removeprefix("s3://").partition("/")[0]
    prefix = "/".join([*s3.removeprefix("s3://").split("/")[1:], "store"])
    filesystem = inventory.open_filesystem(store.url)[0]
    mine, other = keys.made_model("ab12" * 4), "colleague/imagenet.tar"
    for key in (mine, other):
        filesystem.call_s3("create_multipart_upload", Bucket=bucket, Key=f"{prefix}/{key}")
    assert {one.key for one in inventory.unfinished_uploads(store)} == {mine, other}
    assert [one.key for one in prune(store, NOTHING, grace=-1.0).uploads] == [mine]
    assert [one.key for one in inventory.unfinished_uploads(store)] == [other]


def test_a_permission_that_is_missing_for_uploads_alone_stops_nothing(s3, monkeypatch, caplog):
    """The rest is pruned, and a line names the permission."""
    store = kept_store.fill(Store(f"{s3}/store"))
    filesystem = inventory.open_filesystem(store.url)[0]
    call = type(filesystem).call_s3

    def denied(self, method, *arguments, **options):
        if method == "list_multipart_uploads":
            raise PermissionError("Access Denied")
        return call(self, method, *arguments, **options)

    monkeypatch.setattr(type(filesystem), "call_s3", denied)
    with caplog.at_level(logging.WARNING):
        assert prune(store, NOTHING, grace=-1.0).removed
    assert "s3:ListBucketMultipartUploads" in caplog.text
