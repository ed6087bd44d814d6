"""Locations: the files below a folder, with the same record of each file on every back end."""

import os

import pytest

from storage.errors import ObjectMissing
from storage.files import FileEntry
from storage.locations import Location
from storage.store import Store


@pytest.fixture(params=["local", "memory", "s3"])
def folder(request, tmp_path):
    """Return the address of a folder with three files, two of them below another folder."""
    address = str(tmp_path / "data") if request.param == "local" else request.getfixturevalue(request.param)
    store = Store(address if request.param != "s3" else f"{address}/data")
    for key in ("test-1.tar", "images/b.png", "images/a.png"):
        store.create(key, key.encode())
    return store.url


def test_a_folder_has_the_entries_of_all_files_below_it(folder):
    """They are sorted by path, relative to the folder, and have the files' sizes."""
    found = Location(folder).find()
    assert [(entry.path, entry.size) for entry in found.entries] == [
        ("images/a.png", 12),
        ("images/b.png", 12),
        ("test-1.tar", 10),
    ]
    assert not found.is_chosen
    assert found.filesystem.cat_file(f"{found.root}/images/a.png") == b"images/a.png"


@pytest.mark.parametrize("name", ["test-1.tar", "test-*.tar"])
def test_a_file_and_a_pattern_have_entries_relative_to_their_folder(folder, name):
    """A file that the user chose has the same path as among the files of its folder."""
    found = Location(f"{folder}/{name}").find()
    assert found.is_chosen
    assert [(entry.path, entry.size) for entry in found.entries] == [("test-1.tar", 10)]


@pytest.mark.parametrize(("name", "missing"), [("nothing", "folder"), ("*.png", "files")])
def test_a_missing_folder_and_a_pattern_without_files_are_refused(folder, name, missing):
    """The error has the full address."""
    with pytest.raises(ObjectMissing) as caught:
        Location(f"{folder}/{name}").find()
    assert str(caught.value) == f"{folder}/{name}: no such {missing}"


def test_the_entry_of_a_local_file_shows_a_change_even_if_its_time_is_set_back(tmp_path):
    """The etag depends on the time of modification, which a user can set; `changed` is a time that no user can set."""
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    (before,) = Location(str(tmp_path)).files()
    times = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    (after,) = Location(str(tmp_path)).files()
    assert after.etag == before.etag
    assert after.changed != before.changed


def test_links_are_followed_and_one_that_leads_to_a_folder_above_itself_is_skipped(tmp_path):
    """The entry of a linked file has the size of the file at the end of the link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(b"abc")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "data" / "above").symlink_to(tmp_path)
    (tmp_path / "data" / "circle").symlink_to(tmp_path / "data")
    entries = Location(str(tmp_path / "data")).files()
    assert [(entry.path, entry.size) for entry in entries] == [("above/real/a.png", 3), ("linked/a.png", 3)]


def test_the_etag_of_a_file_in_the_hubs_cache_is_the_name_of_its_blob(tmp_path):
    """The cache names a blob by its hash, and the time of its download does not matter."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0123abcd").write_bytes(b"abc")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to("../blobs/0123abcd")
    (entry,) = Location(str(tmp_path / "snapshot")).files()
    assert entry == FileEntry("model.safetensors", 3, "0123abcd", entry.changed)
