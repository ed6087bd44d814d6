"""Marks of open files change whenever their bytes may have changed."""

import io
import os

import pytest

from storage import file_marks
from storage.file_marks import mark_of, settled_mark


def test_a_mark_changes_with_the_file(tmp_path, monkeypatch):
    """Other bytes of the same length, and times that were set back, do not keep the mark."""
    path = tmp_path / "x"
    path.write_bytes(b"one")
    monkeypatch.setattr(file_marks, "_SETTLED", -3600.0)
    with path.open("rb") as file:
        before = mark_of(file)
        assert settled_mark(file) == before != ""
    status = os.stat(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with path.open("rb") as file:
        assert mark_of(file) != before


@pytest.mark.parametrize(("settled", "has_mark"), [(3600.0, False), (-3600.0, True)])
def test_a_file_that_has_just_changed_has_no_settled_mark(tmp_path, monkeypatch, settled, has_mark):
    """It might change once more within the resolution of its times."""
    monkeypatch.setattr(file_marks, "_SETTLED", settled)
    (tmp_path / "x").write_bytes(b"one")
    with (tmp_path / "x").open("rb") as file:
        assert bool(settled_mark(file)) == has_mark
        assert mark_of(file) != ""


def test_a_file_elsewhere_has_no_mark():
    """Bytes in memory, and remote files, have no inode and no times."""
    assert mark_of(io.BytesIO(b"one")) == settled_mark(io.BytesIO(b"one")) == ""
