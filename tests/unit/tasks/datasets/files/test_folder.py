"""Folders of files: found by name, read as ranges that share requests, bounded, and sent to other processes."""

import pickle

import fsspec
import pytest

from storage.file_table import FileTable
from storage.files import FileEntry
from tasks.datasets.files.folder import ByteRange, Folder
from tasks.errors import DatasetError
from tasks.opening.list_samples import open_folder


@pytest.fixture
def folder(tmp_path):
    """Two files of a megabyte in which each byte tells its place, and two small ones."""
    for name in ("10.tar", "2.tar"):
        (tmp_path / name).write_bytes(bytes(i % 251 for i in range(1 << 20)))
    (tmp_path / "a").mkdir()
    for name in ("list.txt", "a/list.txt"):
        (tmp_path / name).write_text(name)
    return open_folder(str(tmp_path))


def test_files_are_found_by_name_and_by_suffix(folder):
    """Whole names match, the nearest first; files of a suffix are sorted by the numbers in their names."""
    assert folder.named("list.txt") == ["list.txt", "a/list.txt"]
    assert folder.named("a/list.txt") == ["a/list.txt"]
    assert folder.named("ist.txt") == []
    assert folder.with_suffix(".tar") == ["2.tar", "10.tar"]


def test_ranges_are_read_in_the_order_asked_for(folder):
    """Neighbours, overlapping ranges and those of several files each come back as asked, twice if asked twice."""
    ranges = [("2.tar", 1000, 1010), ("10.tar", 5, 8), ("2.tar", 0, 4), ("2.tar", 1005, 500_000), ("2.tar", 0, 4)]
    found = folder.read_ranges([ByteRange(*one) for one in ranges])
    assert found == [bytes(i % 251 for i in range(start, stop)) for _, start, stop in ranges]


def test_neighbouring_ranges_share_a_request(folder, monkeypatch):
    """Ranges with a gap below 64 KiB are one request; one further away is another."""
    asked = []
    filesystem = fsspec.filesystem("file")
    read = filesystem.cat_ranges
    monkeypatch.setattr(
        type(filesystem),
        "cat_ranges",
        lambda _self, *where, **options: asked.append(where[0]) or read(*where, **options),
    )
    folder.read_ranges(
        [ByteRange("2.tar", 0, 10), ByteRange("2.tar", 5000, 5010), ByteRange("2.tar", 500_000, 500_001)]
    )
    assert [len(paths) for paths in asked] == [2]


def test_a_range_of_a_missing_file_is_an_error_in_its_place(folder):
    """The other ranges are read."""
    first, second = folder.read_ranges([ByteRange("gone.tar", 0, 4), ByteRange("2.tar", 0, 2)])
    assert isinstance(first, FileNotFoundError)
    assert second == bytes([0, 1])


def test_files_beyond_the_bound_are_refused(folder):
    """The message gives the size and the bound; in another process, which has no entries, too."""
    sent = pickle.loads(pickle.dumps(folder))
    for one in (folder, sent):
        assert one.read("a/list.txt") == b"a/list.txt"
        with pytest.raises(DatasetError, match=r"2\.tar: 1,048,576 bytes, wanted at most 1,000"):
            one.read("2.tar", most=1000)
    with pytest.raises(DatasetError, match=r"gone\.txt: cannot be read"):
        folder.read("gone.txt")


def test_a_file_may_lie_in_the_folder_or_in_its_parent(folder, tmp_path):
    """The nearer one is taken, and None if neither exists."""
    inner = open_folder(str(tmp_path / "a"))
    assert inner.beside("list.txt") == b"a/list.txt"
    assert inner.beside("gone.txt") is None
    (tmp_path / "a" / "list.txt").unlink()
    assert inner.beside("list.txt") == b"list.txt"


def test_names_that_are_not_utf8_are_refused():
    """The message escapes the name."""
    with pytest.raises(DatasetError, match=r"a\\udcff\.png: the file's name is not UTF-8; rename it"):
        Folder("here", None, "here", FileTable.of([FileEntry("a\udcff.png", 1, "x")]))
