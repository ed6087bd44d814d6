"""Commits: an object that lies under a key already is adopted if it is sound, and else replaced."""

import hashlib
import threading

import pytest
from damage import KEY, OBJECTS, PREFIX, SPANS, flipped, rewritten, with_value, write

from storage import back_ends, keys, s3_writing
from storage.blobs import commit_bytes, commit_file, read_blob, read_blob_as_file
from storage.errors import ObjectDamaged, SchemaMismatch, StorageError
from storage.manifests import read_manifest
from storage.schemas import COEFFICIENTS
from storage.soundness import is_committed, missing_spans, note_commit
from storage.store import Store
from storage.tables import TableWriter, read_table

HEAD = "heads/0123.safetensors"


@pytest.mark.parametrize("kind", [*OBJECTS, "vanished", "no manifest", "manifest without JSON"])
def test_a_writer_replaces_a_damaged_object_or_manifest(store, kind):
    """Whatever the damage, the object afterwards has the same bytes as before it, and is committed."""
    before = store.read(KEY)
    if kind == "vanished":
        store.delete(KEY)
    elif kind == "no manifest":
        store.delete(keys.manifest(KEY))
    elif kind == "manifest without JSON":
        store.replace(keys.manifest(KEY), b"\x00\xff")
    else:
        store.replace(KEY, OBJECTS[kind][0](before))
    write(store)
    assert store.read(KEY) == before
    assert read_table(store, KEY, COEFFICIENTS).num_rows == 300
    assert missing_spans(store, PREFIX, SPANS) == []


LEFT_BEHIND = {
    "empty": lambda content: b"",
    "torn": lambda content: content[:-100],
    "another bit": flipped,
    "fewer rows": lambda content: rewritten(content, lambda table: table.slice(0, 299)),
    "NaN": lambda content: rewritten(content, with_value("coefficients", 7, [0.5, float("nan")])),
    "shuffled": lambda content: rewritten(content, lambda table: table.take([1, 0, *range(2, 300)])),
    "no table": lambda content: b"<html>",
}


@pytest.mark.parametrize("kind", LEFT_BEHIND)
def test_an_object_without_manifest_is_adopted_only_if_it_is_sound(local, kind, caplog):
    """The writer replaces bytes that a power cut or another program damaged, and logs this."""
    before = local.read(KEY)
    local.delete(keys.manifest(KEY))
    local.replace(KEY, LEFT_BEHIND[kind](before))
    write(local)
    assert local.read(KEY) == before
    assert f"{local.address(KEY)}: damaged, " in caplog.text
    assert is_committed(local, KEY)


def test_a_sound_object_of_a_killed_run_is_adopted(store):
    """Its bytes stay even if its numbers were rounded differently, and the new manifest fits them."""
    store.delete(KEY)
    store.delete(keys.manifest(KEY))
    write(store, seed=1)
    theirs = store.read(KEY)
    store.delete(keys.manifest(KEY))
    manifest = write(store, seed=0)
    assert store.read(KEY) == theirs
    assert manifest.sha256 == hashlib.sha256(theirs).hexdigest()


def test_an_object_of_another_identity_is_not_adopted(local):
    """The writer replaces a sound object whose numbers were computed from other inputs."""
    before = local.read(KEY)
    local.delete(KEY)
    local.delete(keys.manifest(KEY))
    write(local, identity="other")
    local.delete(keys.manifest(KEY))
    write(local)
    assert local.read(KEY) == before


def test_simultaneous_writers_of_a_damaged_object_all_succeed_and_leave_one_sound_copy(store):
    """However the writers interleave, the manifest describes the bytes that the store holds at the end."""
    store.replace(KEY, b"")
    failures = []

    def repair(seed):
        try:
            write(store, seed=seed)
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=repair, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert read_table(store, KEY, COEFFICIENTS).num_rows == 300


def test_numbers_that_are_not_finite_are_not_written(local):
    """The writer refuses a NaN, which every reader would take for damage."""
    writer = TableWriter(local, "coefficients/dataset=d/id=j/x", COEFFICIENTS, identity={}, widths={"coefficients": 1})
    with pytest.raises(SchemaMismatch, match="column coefficients: wanted finite numbers, got nan in row 1"):
        writer.append({"sample_index": [0, 1], "coefficients": [[1.0], [float("nan")]]})


def test_a_blob_of_an_unknown_kind_is_refused(local):
    """Its first folder would give readers no version to compare with."""
    with pytest.raises(KeyError, match="wanted a key below heads or made-models, got one below notes"):
        commit_bytes(local, "notes/0123", b"", entries=0, identity={})
    assert not local.exists("notes/0123")


def as_file(store, key):
    return read_blob_as_file(store, key, lambda file: file.read())


@pytest.mark.parametrize("read", [read_blob, as_file])
@pytest.mark.parametrize("kind", OBJECTS)
def test_a_damaged_head_or_model_is_not_read(store, kind, read, tmp_path):
    """Its manifest shows the damage, and both ways to commit the blob again make it sound."""
    content = bytes(range(256)) * 100
    commit_bytes(store, HEAD, content, entries=1, identity={})
    store.replace(HEAD, OBJECTS[kind][0](content))
    with pytest.raises(ObjectDamaged, match=f"{HEAD}: {OBJECTS[kind][1]}"):
        read(store, HEAD)
    assert not is_committed(store, HEAD)
    commit_bytes(store, HEAD, content, entries=1, identity={})
    assert read(store, HEAD) == content
    file = tmp_path / "model"
    file.write_bytes(content)
    commit_file(store, HEAD, file, entries=1, identity={})
    assert not file.exists()
    assert is_committed(store, HEAD)


def test_a_sound_model_stays_when_another_run_makes_it_too(store, tmp_path, monkeypatch):
    """No reader finds it missing at any moment, and the second run's file is removed."""
    first = commit_bytes(store, HEAD, b"first", entries=1, identity={})
    file = tmp_path / "model"
    file.write_bytes(b"second")
    for name in ("delete", "replace", "upload"):
        monkeypatch.setattr(Store, name, lambda *_: pytest.fail("the store was changed"))
    assert commit_file(store, HEAD, file, entries=1, identity={}) == first
    assert not file.exists()
    assert read_blob(store, HEAD) == b"first"


def test_the_manifest_of_a_model_describes_the_bytes_that_won(store, tmp_path, monkeypatch):
    """If the later upload writes its manifest first, the earlier run's manifest is corrected to fit its bytes."""
    (tmp_path / "ours").write_bytes(b"ours")
    (tmp_path / "theirs").write_bytes(b"their bytes")
    upload = Store.upload

    def overtaken(self, key, path):
        upload(self, key, path)
        monkeypatch.setattr(Store, "upload", upload)
        commit_file(self, key, tmp_path / "theirs", entries=1, identity={})

    monkeypatch.setattr(Store, "upload", overtaken)
    manifest = commit_file(store, HEAD, tmp_path / "ours", entries=1, identity={})
    assert manifest.sha256 == hashlib.sha256(b"their bytes").hexdigest()
    assert read_blob(store, HEAD) == b"their bytes"


def test_a_writer_does_not_fail_when_another_one_removes_its_bytes(local):
    """Its manifest stays, and a plan counts the object as missing until the other writer has written its own."""
    manifest = read_manifest(local, KEY)
    local.delete(KEY)
    note_commit(local, manifest)
    assert missing_spans(local, PREFIX, SPANS) == [SPANS[0]]


def test_a_server_that_ignores_conditions_leaves_no_manifest_over_other_bytes(s3, monkeypatch):
    """If another run overwrites the object before our manifest, its sound bytes stay and the manifest fits them."""
    store, replaced, put = Store(f"{s3}/store"), [], s3_writing.put

    def unconditional(filesystem, path, content, **_):
        mark = put(filesystem, path, content)
        if path.endswith(KEY) and not replaced:
            replaced.append(KEY)
            write(store, seed=1)
        return mark

    for module in (s3_writing, back_ends):
        monkeypatch.setattr(module, "put", unconditional)
    assert not store.is_exclusive
    manifest = write(store, seed=0)
    assert replaced == [KEY]
    assert manifest.sha256 == hashlib.sha256(store.read(KEY)).hexdigest()
    assert read_table(store, KEY, COEFFICIENTS).num_rows == 300
