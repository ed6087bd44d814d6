"""Snapshots on the Hub: listed once for all runs, and again as soon as a folder of theirs has changed."""

import pytest

from storage import snapshots
from storage.local_files import local_files
from storage.snapshots import snapshot_files


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """A snapshot of nine files in three folders, as the Hub's cache has it; an empty cache of listings."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(snapshots, "_LEAST", 1)
    monkeypatch.setattr(snapshots, "_SETTLED", 0)
    for number in range(9):
        link(tmp_path / "hub", f"class{number % 3}/{number}.png", number)
    return tmp_path / "hub" / "snapshots" / "0123"


def link(hub, path, number):
    """Make a file of a snapshot: a link to a blob."""
    blob, place = hub / "blobs" / f"{number:04x}", hub / "snapshots" / "0123" / path
    for file in (blob, place):
        file.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(bytes(number))
    place.symlink_to(f"../../../blobs/{number:04x}")


@pytest.fixture
def walks(monkeypatch):
    """The folders that were walked."""
    found, walk = list[str](), snapshots.walked
    monkeypatch.setattr(snapshots, "walked", lambda root: found.append(root) or walk(root))
    return found


def test_a_second_run_takes_the_listing_of_the_first(snapshot, walks):
    """It is that of a walk: paths, sizes, hashes and times."""
    expected = list(local_files(str(snapshot)))
    assert [entry.etag for entry in expected] == [f"{i:04x}" for i in (0, 3, 6, 1, 4, 7, 2, 5, 8)]
    assert list(snapshot_files(str(snapshot))) == list(snapshot_files(str(snapshot))) == expected
    assert len(walks) == 1


@pytest.mark.parametrize("change", ["added", "removed", "replaced", "in a new folder"])
def test_a_link_that_was_added_removed_or_replaced_is_seen(snapshot, walks, change):
    """A download that goes on adds links to the folder of the same commit."""
    snapshot_files(str(snapshot))
    place = snapshot / "class1" / "4.png"
    if change in ("removed", "replaced"):
        place.unlink()
    if change != "removed":
        name = {"added": "class1/new.png", "replaced": "class1/4.png"}.get(change, "class9/new.png")
        link(snapshot.parents[1], name, 99)
    assert list(snapshot_files(str(snapshot))) == list(local_files(str(snapshot)))
    assert len(walks) == 2


def test_a_folder_with_a_file_that_is_no_blob_is_listed_each_time(snapshot, walks):
    """Its content can change under its name, and no folder shows it."""
    (snapshot / "class0" / "own.png").write_bytes(b"one")
    snapshot_files(str(snapshot))
    (snapshot / "class0" / "own.png").write_bytes(b"longer")
    assert snapshot_files(str(snapshot)).at("class0/own.png").size == 6
    assert len(walks) == 2


def test_a_folder_that_changed_a_moment_ago_is_listed_each_time(snapshot, walks, monkeypatch):
    """A further change might leave its time as it is."""
    monkeypatch.setattr(snapshots, "_SETTLED", 10**15)
    snapshot_files(str(snapshot))
    snapshot_files(str(snapshot))
    assert len(walks) == 2


@pytest.mark.parametrize("harm", ["cut short", "one byte", "empty"])
def test_a_damaged_listing_is_made_again(snapshot, walks, harm):
    """Every byte counts: the file begins with the digest of the rest."""
    expected = list(snapshot_files(str(snapshot)))
    (kept,) = snapshots._place(str(snapshot)).parent.iterdir()
    content = bytearray(kept.read_bytes())
    content[200] ^= 1
    kept.write_bytes({"cut short": content[:100], "one byte": content, "empty": b""}[harm])
    assert list(snapshot_files(str(snapshot))) == expected
    assert len(walks) == 2


def test_a_cache_that_cannot_be_written_is_named(snapshot, tmp_path, caplog):
    """The files are listed all the same."""
    (tmp_path / "cache").write_text("a file")
    assert len(snapshot_files(str(snapshot))) == 9
    assert "cannot be kept" in caplog.text
