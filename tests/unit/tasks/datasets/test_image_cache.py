"""Decoded images on disk: what was kept comes back, bounded, and nothing half-written is ever read."""

import numpy as np
import pytest

from tasks.datasets.image_cache import ImageCache, default_folder

ONE = 4 * 3 * 2 * 2  # bytes of a span of four images of two pixels


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 2, 2), dtype=np.uint8)


def keep(cache, span, content):
    """Write a span in two batches, the later samples first."""
    half = len(content) // 2
    cache.write(span, np.arange(half, len(content)), content[half:])
    assert cache.read(span) is None
    cache.write(span, np.arange(half), content[:half])


def test_what_was_kept_comes_back(tmp_path):
    """Whole spans, whoever asks; batches may come in any order."""
    keep(ImageCache(tmp_path, "abc", 2, 10_000), (8, 12), images(4))
    np.testing.assert_array_equal(ImageCache(tmp_path, "abc", 2, 10_000).read((8, 12)), images(4))
    assert ImageCache(tmp_path, "abc", 2, 10_000).read((0, 4)) is None
    assert ImageCache(tmp_path, "other", 2, 10_000).read((8, 12)) is None


def test_the_bound_is_kept(tmp_path):
    """A span that does not fit is not kept; those of the same data set never make way for it."""
    cache = ImageCache(tmp_path, "abc", 2, 2 * (ONE + 128) + 10)
    for start in (0, 4, 8):
        content = images(4, start)
        cache.write((start, start + 4), np.arange(4), content)
    assert [cache.read((start, start + 4)) is not None for start in (0, 4, 8)] == [True, True, False]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * (ONE + 128) + 10


def test_another_data_set_takes_the_place_of_the_one_not_used_for_longest(tmp_path):
    """One bound for the folder."""
    limit = 2 * (ONE + 128) + 10
    for name in ("old", "young"):
        ImageCache(tmp_path, name, 2, limit).write((0, 4), np.arange(4), images(4))
    import os

    os.utime(tmp_path / "old-00000000-00000003.npy", (1, 1))
    ImageCache(tmp_path, "new", 2, limit).write((0, 4), np.arange(4), images(4))
    kept = {name: ImageCache(tmp_path, name, 2, limit).read((0, 4)) is not None for name in ("old", "young", "new")}
    assert kept == {"old": False, "young": True, "new": True}


def test_what_was_not_completed_is_removed(tmp_path):
    """A pass that ends early leaves nothing."""
    cache = ImageCache(tmp_path, "abc", 2, 10_000)
    cache.write((0, 4), np.arange(2), images(2))
    assert len(list(tmp_path.iterdir())) == 1
    cache.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_was_filling_makes_way(tmp_path):
    """Of this machine, when the process is gone; another's is left alone."""
    import os
    import platform

    gone = tmp_path / f"abc-{platform.node()}-{2**22 + 1}.part"
    alive = tmp_path / f"abc-{platform.node()}-{os.getpid()}.part"
    elsewhere = tmp_path / "abc-other-host-17.part"
    for path in (gone, alive, elsewhere):
        path.write_bytes(bytes(100))
    cache = ImageCache(tmp_path, "abc", 2, ONE + 128 + 200)
    cache.write((0, 4), np.arange(4), images(4))
    assert cache.read((0, 4)) is not None
    assert (gone.exists(), alive.exists(), elsewhere.exists()) == (False, True, True)


def test_a_folder_that_cannot_be_used_is_no_reason_to_fail(tmp_path, caplog):
    """Told once."""
    (tmp_path / "file").write_text("")
    cache = ImageCache(tmp_path / "file" / "images", "abc", 2, 10_000)
    for start in (0, 4):
        cache.write((start, start + 4), np.arange(4), images(4))
        assert cache.read((start, start + 4)) is None
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        f"image cache {tmp_path}/file/images: cannot be used"
    ]


def test_many_at_a_time(tmp_path):
    """Threads that fill, evict and tidy up in one folder."""
    from concurrent.futures import ThreadPoolExecutor

    def fill(i):
        cache = ImageCache(tmp_path, f"set{i % 5}", 2, 3 * (ONE + 128))
        cache.write((0, 4), np.arange(4), images(4))
        found = cache.read((0, 4))
        return found is None or np.array_equal(found, images(4))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fill, range(200)))


def test_a_damaged_file_is_as_none(tmp_path):
    """Decoding again is always right."""
    (tmp_path / "abc-00000000-00000003.npy").write_bytes(b"cut short")
    assert ImageCache(tmp_path, "abc", 2, 10_000).read((0, 4)) is None


@pytest.mark.parametrize("value", ["", "/somewhere"])
def test_where_it_is(monkeypatch, value):
    """Below the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    expected = f"{value}/dawin/images" if value else ".cache/dawin/images"
    assert str(default_folder()).endswith(expected)
