"""The cache of decoded images: what was written comes back, within a limit, and nothing incomplete is ever read."""

import os
import platform
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tasks.datasets.image_cache import ImageCache

ONE = 4 * 3 * 2 * 2  # bytes of a span of four images of 2 × 2 pixels


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 2, 2), dtype=np.uint8)


def write_in_two_batches(cache, span, content):
    """Write a span, the later samples first."""
    half = len(content) // 2
    cache.write(span, np.arange(half, len(content)), content[half:])
    assert cache.read(span) is None
    cache.write(span, np.arange(half), content[:half])


def test_a_span_comes_back_once_it_is_complete(tmp_path):
    """Its batches may come in any order, and another cache on the same folder reads it."""
    write_in_two_batches(ImageCache(tmp_path, "abc", 2, 10_000), (8, 12), images(4))
    np.testing.assert_array_equal(ImageCache(tmp_path, "abc", 2, 10_000).read((8, 12)), images(4))
    assert ImageCache(tmp_path, "abc", 2, 10_000).read((0, 4)) is None
    assert ImageCache(tmp_path, "other", 2, 10_000).read((8, 12)) is None


def test_the_limit_is_never_exceeded(tmp_path):
    """A span that does not fit is dropped and evicts no other span of its data set."""
    cache = ImageCache(tmp_path, "abc", 2, 2 * (ONE + 128) + 10)
    for start in (0, 4, 8):
        content = images(4, start)
        cache.write((start, start + 4), np.arange(4), content)
    assert [cache.read((start, start + 4)) is not None for start in (0, 4, 8)] == [True, True, False]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * (ONE + 128) + 10


def test_a_new_data_set_evicts_the_least_recently_used_one(tmp_path):
    """All data sets in the folder share the limit."""
    limit = 2 * (ONE + 128) + 10
    for name in ("old", "young"):
        ImageCache(tmp_path, name, 2, limit).write((0, 4), np.arange(4), images(4))
    os.utime(tmp_path / "old-00000000-00000003.npy", (1, 1))
    ImageCache(tmp_path, "new", 2, limit).write((0, 4), np.arange(4), images(4))
    kept = {name: ImageCache(tmp_path, name, 2, limit).read((0, 4)) is not None for name in ("old", "young", "new")}
    assert kept == {"old": False, "young": True, "new": True}


def test_closing_removes_incomplete_spans(tmp_path):
    """A pass that ends early leaves no files."""
    cache = ImageCache(tmp_path, "abc", 2, 10_000)
    cache.write((0, 4), np.arange(2), images(2))
    assert len(list(tmp_path.iterdir())) == 1
    cache.close()
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_killed_process_are_removed(tmp_path):
    """Files of a running process, or of another machine, are left alone."""
    gone = tmp_path / f"abc-{platform.node()}-{2**22 + 1}.part"
    alive = tmp_path / f"abc-{platform.node()}-{os.getpid()}.part"
    elsewhere = tmp_path / "abc-other-host-17.part"
    for path in (gone, alive, elsewhere):
        path.write_bytes(bytes(100))
    cache = ImageCache(tmp_path, "abc", 2, ONE + 128 + 200)
    cache.write((0, 4), np.arange(4), images(4))
    assert cache.read((0, 4)) is not None
    assert (gone.exists(), alive.exists(), elsewhere.exists()) == (False, True, True)


def test_a_folder_that_cannot_be_used_is_one_warning(tmp_path, caplog):
    """Writing raises nothing, reading finds nothing, and the log names the folder once."""
    (tmp_path / "file").write_text("")
    cache = ImageCache(tmp_path / "file" / "images", "abc", 2, 10_000)
    for start in (0, 4):
        cache.write((start, start + 4), np.arange(4), images(4))
        assert cache.read((start, start + 4)) is None
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        f"image cache {tmp_path}/file/images: cannot be used"
    ]


def test_threads_share_a_folder(tmp_path):
    """Threads that fill, evict and remove files at the same time read complete spans or none."""

    def fill(i):
        cache = ImageCache(tmp_path, f"set{i % 5}", 2, 3 * (ONE + 128))
        cache.write((0, 4), np.arange(4), images(4))
        found = cache.read((0, 4))
        return found is None or np.array_equal(found, images(4))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fill, range(200)))


def test_a_damaged_file_is_ignored(tmp_path):
    """Its span counts as missing, so its images are decoded again."""
    (tmp_path / "abc-00000000-00000003.npy").write_bytes(b"cut short")
    assert ImageCache(tmp_path, "abc", 2, 10_000).read((0, 4)) is None
