"""Damaged objects: every back end reports each in one line, never returns its content, and lets a run replace it."""

import errno
import json
import logging
from dataclasses import asdict, replace
from io import BytesIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import KEY, OBJECTS, PREFIX, SPANS, described, flipped, rewritten, with_value, write

from storage import keys, scan
from storage.errors import (
    ManifestInvalid,
    ObjectDamaged,
    ObjectMissing,
    ObjectOutdated,
    SchemaMismatch,
    StorageError,
    StoreDenied,
    StoreUnreachable,
)
from storage.inspection import current_version
from storage.manifests import read_manifest, write_manifest
from storage.schemas import COEFFICIENTS, PREDICTIONS, TABLES
from storage.soundness import is_committed, missing_spans, states
from storage.store import Store
from storage.tables import read_samples, read_table


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_damaged_object_is_reported_in_one_line_and_its_commit_is_taken_back(store, kind):
    """The line has the full address, the wanted and the actual value, and the repair; the next run finds it missing."""
    damage, message = OBJECTS[kind]
    store.replace(KEY, damage(store.read(KEY)))
    with pytest.raises(ObjectDamaged, match=message) as caught:
        read_table(store, KEY, COEFFICIENTS)
    assert str(caught.value).startswith(store.address(KEY))
    assert str(caught.value).endswith("`dawin run EXPERIMENT` computes it again")
    assert "\n" not in str(caught.value)
    assert missing_spans(store, PREFIX, SPANS) == [SPANS[0]]
    with pytest.raises(ObjectMissing, match="not committed"):
        read_table(store, KEY, COEFFICIENTS)
    assert read_table(store, keys.samples(PREFIX, SPANS[1]), COEFFICIENTS).num_rows == 300


def test_a_vanished_object_is_missing_whatever_its_manifest_says(store):
    """A plan and a reader notice that only the manifest of an object is left."""
    store.delete(KEY)
    assert missing_spans(store, PREFIX, SPANS) == [SPANS[0]]
    with pytest.raises(ObjectDamaged, match=r"damaged, wanted [\d,]+ bytes, got no object"):
        read_table(store, KEY, COEFFICIENTS)


@pytest.mark.parametrize("kind", ["empty", "torn", "other bytes"])
def test_a_plan_logs_damage_once(store, kind, caplog):
    """It finds a wrong size in the listing, and a wrong SHA-256 where reading the object costs no request."""
    store.replace(KEY, OBJECTS[kind][0](store.read(KEY)))
    seen = [] if kind == "other bytes" and store.scheme == "s3" else [SPANS[0]]
    for _ in range(2):
        assert missing_spans(store, PREFIX, SPANS) == seen
    assert len([r for r in caplog.records if store.address(KEY) in r.getMessage()]) == len(seen)


def test_a_reader_leaves_the_commit_of_an_object_that_is_repaired_during_the_reading(store, monkeypatch):
    """It reads a damaged object a second time, because another run may be replacing the object and its manifest."""
    sound, read, sizes = store.read(KEY), Store.read, []
    store.replace(KEY, sound[:-1])

    def repaired_at_second(self, key, **options):
        if key == keys.manifest(KEY):
            sizes.append(self.stat(KEY).size)
            if len(sizes) == 2:
                self.replace(KEY, sound)
        return read(self, key, **options)

    monkeypatch.setattr(Store, "read", repaired_at_second)
    assert read_table(store, KEY, COEFFICIENTS).num_rows == 300
    assert sizes[:2] == [len(sound) - 1] * 2
    assert is_committed(store, KEY)


CONTENTS = {
    "fewer rows": (lambda table: table.slice(0, 299), "damaged, wanted 300 rows, got 299"),
    "more rows": (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "damaged, wanted 300 rows, got 301"),
    "a sample twice": (with_value("sample_index", 5, 4), "damaged, wanted sample_index 5 in row 5, got 4"),
    "shuffled": (lambda table: table.take([1, 0, *range(2, 300)]), "wanted sample_index 0 in row 0, got 1"),
    "NaN": (
        with_value("coefficients", 7, [0.5, float("nan")]),
        "coefficients: wanted finite numbers, got nan in row 7",
    ),
    "infinite": (with_value("coefficients", 7, [float("inf"), 0]), "wanted finite numbers, got inf in row 7"),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_rows_are_checked_even_if_the_manifest_fits_the_bytes(local, kind):
    """The error of a wrong row names the file, the row and the value."""
    change, message = CONTENTS[kind]
    described(local, KEY, rewritten(local.read(KEY), change))
    with pytest.raises(ObjectDamaged, match=message) as caught:
        read_samples(local, PREFIX, COEFFICIENTS, ["coefficients"])
    assert str(caught.value).startswith(local.address(KEY))
    assert missing_spans(local, PREFIX, SPANS) == [SPANS[0]]


MANIFESTS = {
    "empty": b"",
    "no JSON": b"not JSON",
    "no UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "fields missing": b'{"rows": 300}',
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_an_object_whose_manifest_cannot_be_read_counts_as_missing(local, kind, caplog):
    """One line names the manifest; the next run computes the object again and adopts its bytes."""
    before = local.read(KEY)
    local.replace(keys.manifest(KEY), MANIFESTS[kind])
    with pytest.raises(ManifestInvalid, match=r"parquet\.manifest\.json: not a manifest") as caught:
        read_table(local, KEY, COEFFICIENTS)
    assert "\n" not in str(caught.value)
    assert missing_spans(local, PREFIX, SPANS) == [SPANS[0]]
    assert "not a manifest" in caplog.text
    write(local)
    assert local.read(KEY) == before
    assert missing_spans(local, PREFIX, SPANS) == []


def test_fields_of_a_later_version_are_ignored(local):
    """A manifest with an unknown field is read, and its object stays committed."""
    manifest = read_manifest(local, KEY)
    local.replace(keys.manifest(KEY), json.dumps({**asdict(manifest), "colour": "blue"}).encode())
    assert read_manifest(local, KEY) == manifest
    assert missing_spans(local, PREFIX, SPANS) == []


def test_an_object_of_an_earlier_version_is_sound_and_counts_as_missing(local, monkeypatch, caplog):
    """It is no damage: the fault says which version it has, the bytes stay, and damaged bytes are named as damage."""
    monkeypatch.setitem(TABLES, "coefficients", replace(COEFFICIENTS, version=2))
    content = local.read(KEY)
    assert isinstance(states(local, PREFIX)[KEY], ObjectOutdated)
    assert missing_spans(local, PREFIX, SPANS) == SPANS
    assert "coefficients version 1 of an earlier dawin, wanted 2; `dawin run EXPERIMENT` writes it again" in caplog.text
    assert local.read(KEY) == content
    local.replace(KEY, flipped(content))
    assert isinstance(states(local, PREFIX)[KEY], ObjectDamaged)


def test_an_objects_newer_version_is_refused_and_left_alone(local):
    """An older program neither reads nor replaces a newer object; a newer version in the manifest alone is damage."""

    def newer(table):
        return table.replace_schema_metadata({**table.schema.metadata, b"dawin.version": b"9"})

    write_manifest(local, replace(read_manifest(local, KEY), version=9))
    assert missing_spans(local, PREFIX, SPANS) == [SPANS[0]]  # the object itself is of this version
    described(local, KEY, rewritten(local.read(KEY), newer), version=9)
    with pytest.raises(SchemaMismatch, match=r"version 1, got coefficients version 9 from a newer dawin; upd"):
        missing_spans(local, PREFIX, SPANS)
    with pytest.raises(SchemaMismatch, match="got coefficients version 9"):
        read_table(local, KEY, COEFFICIENTS)
    assert local.exists(keys.manifest(KEY))


def test_objects_are_missing_once_the_version_of_their_schema_is_raised(local, monkeypatch):
    """A plan asks for the version of the schema at that time, and not at the import."""
    monkeypatch.setitem(TABLES, "coefficients", replace(COEFFICIENTS, version=2))
    assert current_version("coefficients") == 2
    assert missing_spans(local, PREFIX, SPANS) == SPANS


def test_a_manifest_of_another_object_is_refused(local):
    """A manifest that was copied from another object names the two keys in its error."""
    other = local.read(keys.manifest(keys.samples(PREFIX, SPANS[1])))
    local.replace(keys.manifest(KEY), other)
    assert missing_spans(local, PREFIX, SPANS) == [SPANS[0]]
    with pytest.raises(ManifestInvalid, match=f"wanted key {KEY}, got {keys.samples(PREFIX, SPANS[1])}"):
        read_manifest(local, KEY)


def test_foreign_files_below_a_prefix_are_ignored(store):
    """Neither a note nor a manifest without an object disturbs a plan or a reader."""
    store.replace(f"{PREFIX}/notes.txt", b"x")
    store.replace(f"{PREFIX}/stray.parquet.manifest.json", b"{}")
    assert missing_spans(store, PREFIX, SPANS) == []
    assert read_samples(store, PREFIX, COEFFICIENTS, ["sample_index"], samples=600).num_rows == 600


@pytest.mark.parametrize(("gone", "reached"), [(0, 0), (1, 300)])
def test_a_reader_refuses_a_table_with_missing_samples(local, gone, reached):
    """The message has the number of samples up to the gap; the reader never returns a shorter table."""
    local.delete(keys.manifest(keys.samples(PREFIX, SPANS[gone])))
    with pytest.raises(ObjectMissing, match=f"{PREFIX}: {reached} of 600 samples are committed"):
        read_samples(local, PREFIX, COEFFICIENTS, ["sample_index"], samples=600)


def test_a_reader_refuses_a_table_without_samples(local):
    """A prefix without any object is an error, and not an empty table."""
    with pytest.raises(ObjectMissing, match="predictions/dataset=d/id=i: 0 samples are committed"):
        read_samples(local, "predictions/dataset=d/id=i", PREDICTIONS, ["entropy"])


def test_a_scan_returns_the_sound_objects(store, caplog):
    """A damaged object gives one line in the log, and no rows."""
    store.replace(KEY, store.read(KEY)[:-100])
    caplog.set_level(logging.WARNING)
    assert scan("coefficients", store=store).collect()["sample_index"].to_list() == list(range(300, 600))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert lines[0].startswith(f"left out: {store.address(KEY)}: damaged")


def test_a_scan_of_damaged_objects_alone_is_an_error(store):
    """A scan without any sound object raises the first object's error, and returns no empty table."""
    for span in SPANS:
        store.replace(keys.samples(PREFIX, span), b"")
    with pytest.raises(ObjectDamaged, match="got 0"):
        scan("coefficients", store=store)


def test_the_environment_can_restrict_verification_to_sizes(local, monkeypatch):
    """`DAWIN_VERIFY=size` skips the SHA-256; the checksums of pages and the rows are checked all the same."""
    local.replace(KEY, flipped(local.read(KEY)))
    monkeypatch.setenv("DAWIN_VERIFY", "size")
    assert missing_spans(local, PREFIX, SPANS) == []
    with pytest.raises(ObjectDamaged, match=r"not readable as Parquet \(.*CRC"):
        read_table(local, KEY, COEFFICIENTS)
    monkeypatch.setenv("DAWIN_VERIFY", "sometimes")
    with pytest.raises(StorageError, match="DAWIN_VERIFY=sometimes: wanted sha256 or size"):
        missing_spans(local, PREFIX, SPANS)


def test_a_plan_of_a_complete_table_is_one_listing(store, monkeypatch):
    """It reads neither an object nor a manifest that this process has read or written."""
    missing_spans(store, PREFIX, SPANS)
    asked = []
    for name in ("read", "open", "listing", "exists", "stat"):
        original = getattr(Store, name)
        monkeypatch.setattr(Store, name, lambda self, key, n=name, o=original: asked.append(n) or o(self, key))
    assert missing_spans(store, PREFIX, SPANS) == []
    again = (
        ["read", "read", "open", "open"] if store.scheme == "memory" else []
    )  # memory has no marks, which would show that nothing changed
    assert sorted(asked) == sorted(["listing", *again])


def test_states_hold_the_fault_of_every_object(store):
    """A damaged object has its error, and a sound one None."""
    store.replace(KEY, b"")
    found = states(store, "coefficients")
    assert list(found) == [KEY, keys.samples(PREFIX, SPANS[1])]
    assert [type(error) for error in found.values()] == [ObjectDamaged, type(None)]


def test_objects_with_page_checksums_are_plain_parquet(local):
    """Polars reads an object without any code of ours."""
    assert pl.read_parquet(BytesIO(local.read(KEY))).height == 300


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (OSError(errno.EMFILE, "Too many open files"), StoreDenied),
        (OSError(errno.EIO, "Input/output error"), StoreDenied),
        (TimeoutError("no answer"), StoreUnreachable),
        (MemoryError("no memory"), MemoryError),
        (pa.ArrowMemoryError("malloc failed"), MemoryError),
    ],
)
def test_a_failure_of_the_machine_while_reading_is_no_damage(local, failure, raised, monkeypatch):
    """The object stays committed, and the error is not `ObjectDamaged`, which would have it computed again."""

    def failing(*_, **__):
        raise failure

    monkeypatch.setattr(pq.ParquetFile, "read", failing)
    with pytest.raises(raised) as caught:
        read_table(local, KEY, COEFFICIENTS)
    assert not isinstance(caught.value, ObjectDamaged)
    monkeypatch.undo()
    assert missing_spans(local, PREFIX, SPANS) == []


def test_an_object_that_the_listing_missed_is_looked_for_once_more(store):
    """A listing of several pages can show a manifest and miss its object, if both are written meanwhile."""
    listing = {key: stored for key, stored in store.listing(PREFIX).items() if key != KEY}
    assert missing_spans(store, PREFIX, SPANS, listing=listing) == []
    store.delete(KEY)
    assert missing_spans(store, PREFIX, SPANS, listing=listing) == [SPANS[0]]
