"""Arrays that later passes read from a temporary file."""

import shutil
import tempfile

import numpy as np

from tasks.numerics.pieces import Mapped
from tasks.opening import spooled
from tasks.opening.spooled import Spooled

ARRAYS = [np.random.default_rng(i).random((length, 2)) for i, length in enumerate((5, 0, 70_000, 1))]


def counted(passes):
    return Mapped(lambda number: passes.append(number) or ARRAYS[number], range(len(ARRAYS)))


def check(found):
    for ours, theirs in zip(found, ARRAYS, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_source_is_read_once(tmp_path, monkeypatch):
    """Later passes yield the same arrays from a file without a name, two of them at the same time if need be."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    passes = []
    arrays = Spooled(counted(passes), 1 << 22)
    next(iter(arrays))  # a pass that ends early copies nothing
    for _ in range(3):
        check(arrays)
    assert passes == [0, 0, 1, 2, 3]
    for first, second in zip(arrays, arrays, strict=True):
        np.testing.assert_array_equal(first, second)
    assert list(tmp_path.iterdir()) == []


def test_without_room_each_pass_reads_the_source(monkeypatch):
    """A folder with too little room gets no file at all."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    monkeypatch.setattr(spooled.tempfile, "TemporaryFile", None)
    passes = []
    arrays = Spooled(counted(passes), 1 << 22)
    check(arrays)
    check(arrays)
    assert passes == [*range(4), *range(4)]


def test_a_disk_that_fills_up_costs_no_pass(monkeypatch):
    """When a write fails, the pass goes on, and later passes read the source."""

    class Full:
        written = 0

        def write(self, data):
            self.written += 1
            if self.written == 3:
                raise OSError(28, "No space left on device")

        def flush(self):
            pass

        def close(self):
            self.written = None

    file = Full()
    monkeypatch.setattr(spooled.tempfile, "TemporaryFile", lambda **_: file)
    passes = []
    arrays = Spooled(counted(passes), 1 << 22)
    check(arrays)
    check(arrays)
    assert passes == [*range(4), *range(4)]
    assert file.written is None  # closed
