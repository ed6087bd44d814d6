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
