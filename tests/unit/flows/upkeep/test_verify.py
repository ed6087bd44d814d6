"""Verification names exactly what is damaged, and repair leaves a store in which nothing is, wherever it is killed."""

import json
from pathlib import Path

import damage
import kept_store
import pytest
from counted_requests import counted

from flows.cli import main
from flows.reports.json_models import DOCUMENTS
from flows.upkeep import repair as repairing
from flows.upkeep.verify import KINDS, verify
from flows.upkeep.verify_text import verify_document, verify_text
from storage import keys
from storage.catalogue.notes import note
from storage.catalogue.rebuilding import faults, runs
from storage.exchanging import put_content
from storage.manifests import read_manifest
from storage.pointers import latest_run
from storage.store import Store
from storage.upkeep import aside


@pytest.fixture
def store(tmp_path):
    """A local store that holds every kind of object and record."""
    return kept_store.fill(Store(str(tmp_path / "store")))


def named(verified):
    """Return the kind and the key of each fault."""
    return [(fault.kind, fault.key) for fault in verified.faults]


def test_a_sound_store_has_no_fault(store):
    """Nothing is named, and everything was read."""
    verified = verify(store)
    assert named(verified) == []
    assert not verified.leftovers
    assert not verified.remarks
    assert verified.objects == 5


@pytest.mark.parametrize("name", kept_store.DAMAGE)
def test_each_kind_of_damage_is_named_and_repaired(store, name, capsys):
    """Verify names exactly the damage and ends with 1; repair ends with 0, and then nothing is damaged."""
    kind, key, do = kept_store.DAMAGE[name]
    do(store)
    assert named(verify(store)) == [(kind, key)]
    assert main(["store", "verify", "--store", store.url]) == 1
    capsys.readouterr()
    assert main(["store", "verify", "--store", store.url, "--repair", "--json"]) == 0
    document = DOCUMENTS["store-verify"].model_validate_json(capsys.readouterr().out)
    assert [(one.kind, one.key, one.is_repaired) for one in document.faults] == [(kind, key, True)]
    assert main(["store", "verify", "--store", store.url]) == 0
    assert not faults(store)
    left = set(store.keys())
    assert not {key for key in left if key.endswith(keys.MANIFEST_SUFFIX) and not key.startswith("damaged/")} - {
        keys.manifest(key) for key in left
    }


def test_what_is_damaged_is_moved_and_not_deleted(store):
    """The damaged bytes and their manifest are below `damaged/`."""
    store.replace(damage.KEY, b"damaged")
    manifest = store.read(keys.manifest(damage.KEY))
    folder = verify(store, repair=True).aside
    assert store.read(f"{folder}/{damage.KEY}") == b"damaged"
    assert store.read(f"{folder}/{keys.manifest(damage.KEY)}") == manifest
    assert not store.exists(damage.KEY)
    assert {one.kind for one in verify(store).leftovers} == {"aside"}


def test_a_pointer_names_the_newest_sound_run(store):
    """Where the latest run is damaged its experiment shows the one before, and none where no run is left."""
    store.replace(kept_store.LAST, b"")
    verify(store, repair=True)
    assert latest_run(store, "digits") == "r000000"
    assert runs(store)["run_id"].to_list() == ["r000000"]
    store.replace(kept_store.FIRST, b"")
    verify(store, repair=True)
    assert not store.exists(kept_store.LATEST)
    assert verify(store).left == []


def test_tables_that_a_run_needs_and_that_are_gone_are_named(store):
    """They cannot be repaired, unless the damaged objects lie aside: then the next run is known to be due."""
    place = damage.PREFIX
    kept_store.needing(store, place)
    assert named(verify(store)) == []
    for span in damage.SPANS:
        store.replace(keys.samples(place, span), b"")
    verified = verify(store, repair=True)
    assert {fault.kind for fault in verified.faults} == {"size"}
    verified = verify(store)
    assert verified.faults == []
    assert [remark.key for remark in verified.remarks] == [place]
    for key in store.keys("damaged"):
        store.delete(key)
    for _ in range(2):
        verified = verify(store, repair=True)
        assert [(fault.kind, fault.key) for fault in verified.left] == [("tables", place)]
        assert "run r000002 of digits" in verified.left[0].reason


def test_leftovers_are_no_damage(store, capsys):
    """Files of killed processes are named with what removes them, and the exit status is 0."""
    Path(store.url.removeprefix("file://"), ".tmp").mkdir(exist_ok=True)
    left = {
        ".tmp/" + "0" * 32: "temporary",
        keys.samples(damage.PREFIX, damage.spans.Span(600, 900)): "uncommitted",
        keys.learnt_coefficients("ab12ab12ab12ab12"): "learnt",
    }
    for key in left:
        store.replace(key, b"{}")
    left[note(store, keys.results("digits", "r000007"))] = "note"
    left[note(store, kept_store.FIRST)] = "note"
    verified = verify(store)
    assert {one.key: one.kind for one in verified.leftovers} == left
    assert named(verified) == []
    assert main(["store", "verify", "--store", store.url, "--repair"]) == 0
    shown = capsys.readouterr().out
    assert "`dawin store prune` removes them an hour after" in shown
    assert "all sound; 5 leftovers" in shown
    assert {one.key for one in verify(store).leftovers} == left.keys()


def test_files_of_others_are_left_alone(store):
    """Files that no version of this program writes are neither named nor moved."""
    others = ["notes.txt", "heads/mine.safetensors", "mine.manifest.json", "plans/mine.json", "results/mine.json"]
    for key in others:
        store.replace(key, b"mine")
    verified = verify(store, repair=True)
    assert (named(verified), list(verified.leftovers)) == ([], [])
    assert [store.read(key) for key in others] == [b"mine"] * len(others)


def test_an_object_that_is_being_replaced_is_sound(store):
    """A manifest that names two contents for a moment fits either."""
    content = damage.rewritten(store.read(damage.KEY), lambda table: table)
    before, manifest = store.read(damage.KEY), read_manifest(store, damage.KEY)
    put_content(store, damage.KEY, content, manifest.widths)
    damage.change_manifest(
        store,
        damage.KEY,
        bytes=1,
        successors=[
            {"bytes": len(one), "sha256": damage.hashlib.sha256(one).hexdigest(), "widths": {}}
            for one in (content, before)
        ],
    )
    for one in (content, before):
        store.replace(damage.KEY, one)
        assert named(verify(store)) == []


def test_an_object_of_an_earlier_version_is_named_and_no_damage(store, monkeypatch):
    """It stays where it is."""
    from storage import inspection

    later = damage.replace(damage.COEFFICIENTS, version=2)
    monkeypatch.setattr(inspection, "TABLES", {**inspection.TABLES, "coefficients": later})
    verified = verify(store, repair=True)
    assert named(verified) == []
    assert [remark.key for remark in verified.remarks] == [keys.samples(damage.PREFIX, span) for span in damage.SPANS]
    assert "version 1 of an earlier dawin" in verified.remarks[0].reason


def test_what_another_run_has_replaced_meanwhile_stays(store, monkeypatch):
    """Each object is looked at again right before it would move."""
    sound = store.read(damage.KEY)
    store.replace(damage.KEY, b"")
    repair_store = repairing.repair_store

    def late(*arguments):
        store.replace(damage.KEY, sound)
        return repair_store(*arguments)

    monkeypatch.setattr("flows.upkeep.verify.repair_store", late)
    verified = verify(store, repair=True)
    assert named(verified) == [("size", damage.KEY)]
    assert verified.left == []
    assert store.read(damage.KEY) == sound
    assert verify(store).faults == []


class Killed(BaseException):
    """Ends a process."""


def killing(monkeypatch, after):
    """Let each write and removal after a number of them kill the process; return the list of those that happen."""
    done = []

    def patch(name, call):
        def counting(self, key, *rest, **named):
            if len(done) >= after:
                raise Killed
            done.append(key)
            return call(self, key, *rest, **named)

        monkeypatch.setattr(Store, name, counting)

    for name in ("create", "replace", "delete"):
        patch(name, getattr(Store, name))
    return done


def test_a_killed_repair_is_finished_by_the_next_one():
    """Stopped before any write or removal, it leaves no manifest whose object it took, and another call ends clean."""
    for after in range(100):
        store = kept_store.fill(Store(f"memory://killed-repair-{after}"))
        for name in ("another bit", "the head has vanished", "results with another bit", "another plan"):
            kept_store.DAMAGE[name][2](store)
        with pytest.MonkeyPatch.context() as patch:
            done = killing(patch, after)
            try:
                verify(store, repair=True)
                was_killed = False
            except Killed:
                was_killed = True
        assert not {fault.key for fault in verify(store).faults if fault.kind == "missing"} - {kept_store.HEAD}
        verify(store, repair=True)
        assert verify(store).faults == []
        assert latest_run(store, "digits") == "r000000"
        if not was_killed:
            break
    assert not was_killed
    assert len(done) > 10


def test_the_text_is_readable_at_100_columns(store):
    """Twenty faults of a kind are shown, all are counted, and the next command is named."""
    for number in range(25):
        store.replace(keys.checkpoint(f"{number:016d}"), b"")
    document = verify_document(verify(store), store.url)
    lines = verify_text(document, 100).splitlines()
    assert len([line for line in lines if line.startswith("  checkpoints/")]) == 20
    assert "  and 5 more; --json lists all" in lines
    assert max(map(len, lines)) <= 100
    assert "25 faults (25 record)" in lines[-2]
    assert "dawin store verify --repair" in lines[-1]
    assert len(document.faults) == 25
    assert {fault.kind for fault in document.faults} <= KINDS.keys()


def test_s3_is_verified_with_few_requests_and_repaired(s3):
    """Two requests for each small object; an unfinished upload is a leftover, and damage moves inside S3."""
    import boto3

    store = kept_store.fill(Store(f"{s3}/store"))
    bucket = s3.removeprefix("s3://")
    boto3.client("s3").create_multipart_upload(Bucket=bucket, Key="store/heads/cd34.safetensors")
    with counted(s3) as requests:
        verified = verify(store)
    assert named(verified) == []
    assert [(one.kind, one.key) for one in verified.leftovers] == [("upload", "heads/cd34.safetensors")]
    assert requests.keys("GET").count(f"store/{damage.KEY}") == 1
    assert requests.keys("GET").count(f"store/{keys.manifest(damage.KEY)}") == 1
    assert requests.operations["PUT"] == 0
    for name in ("another bit", "the head has vanished", "results with another bit"):
        kept_store.DAMAGE[name][2](store)
    assert len(verify(store).faults) == 3
    with counted(s3) as requests:
        folder = verify(store, repair=True).aside
    assert requests.operations["COPY"] == 5
    assert aside.original_of(f"{folder}/{damage.KEY}") == damage.KEY
    assert store.exists(f"{folder}/{damage.KEY}")
    assert verify(store).faults == []


def test_a_large_object_on_s3_is_read_in_pieces(s3, monkeypatch):
    """No request asks for more than a piece of an object, and damage in any of them is found."""
    from storage.upkeep import object_faults

    monkeypatch.setattr(object_faults, "_PIECE", 1 << 12)
    store = damage.filled(Store(f"{s3}/store"))
    assert verify(store).faults == []
    store.replace(damage.KEY, damage.flipped(store.read(damage.KEY)))
    assert named(verify(store)) == [("content", damage.KEY)]


def test_a_place_that_is_no_store_is_refused(tmp_path, capsys):
    """Exit status 2 and one line, which names the folder that is meant."""
    (tmp_path / "dawin-store").mkdir()
    assert main(["store", "verify", "--store", str(tmp_path / "dawin-stor")]) == 2
    assert "no such folder; did you mean" in capsys.readouterr().err


def test_json_holds_the_faults(store, capsys):
    """Standard output is one document of the command's model, with exit status 1 for damage."""
    store.replace(damage.KEY, b"")
    assert main(["store", "verify", "--store", store.url, "--json"]) == 1
    document = DOCUMENTS["store-verify"].model_validate(json.loads(capsys.readouterr().out))
    assert not document.is_sound
    assert document.moved_to is None
    assert [(fault.kind, fault.is_repaired) for fault in document.faults] == [("size", False)]
