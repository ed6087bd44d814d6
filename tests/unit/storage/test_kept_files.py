"""Files that are kept on this machine for later processes."""

import os

import pytest

from storage.kept_files import cache_folder, keep_file


@pytest.mark.parametrize("value", ["", "/somewhere"])
def test_the_folder_is_below_the_users_cache(monkeypatch, value):
    """`XDG_CACHE_HOME` is honoured, and `~/.cache` is the default."""
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    expected = f"{value}/dawin/images" if value else ".cache/dawin/images"
    assert str(cache_folder("images")).endswith(expected)


def test_a_file_replaces_the_one_before_in_one_step(tmp_path):
    """The folder is made, and holds nothing else afterwards."""
    path = tmp_path / "folder" / "a"
    keep_file(path, b"one")
    keep_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a"]


def test_a_write_that_fails_leaves_the_file_before_and_no_other(tmp_path, monkeypatch):
    """A full disk costs the new content alone."""
    path = tmp_path / "a"
    keep_file(path, b"one")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        keep_file(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a"]
