"""Indices of shards: read once, kept on disk, made again when they are damaged or the shard has changed."""

import formats
import numpy as np
import pytest
from reader_contract import LABELS, samples_in

from tasks.datasets.files import shard_index
from tasks.datasets.files.folder import Folder


@pytest.fixture
def opened(monkeypatch):
    """The paths of files that were opened, in order."""
    paths, open_file = [], Folder.open
    monkeypatch.setattr(Folder, "open", lambda self, path: paths.append(path) or open_file(self, path))
    return paths


def labels_in_a_new_process(folder):
    """List a data set without the indices that this process holds in memory."""
    shard_index.in_memory.clear()
    return samples_in(folder).labels.tolist()


def test_a_shard_is_read_once(tmp_path, opened):
    """Neither this process nor another one reads a shard again that has not changed."""
    formats.write_tars(tmp_path, formats.encoded(len(LABELS)), LABELS, shards=1)
    assert samples_in(tmp_path).labels.tolist() == samples_in(tmp_path).labels.tolist() == list(LABELS)
    assert labels_in_a_new_process(tmp_path) == list(LABELS)
    assert opened == ["0.tar"]


def test_a_shard_that_has_changed_is_read_again(tmp_path, opened):
    """Other labels in a file of the same name are found."""
    for labels in (LABELS, LABELS[::-1]):
        formats.write_tars(tmp_path, formats.encoded(len(LABELS)), labels, shards=1)
        assert samples_in(tmp_path).labels.tolist() == list(labels)
    assert opened == ["0.tar"] * 2


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file, _: file.write_bytes(b"damaged"), id="other bytes"),
        pytest.param(lambda file, arrays: np.savez(file, **{**arrays, "labels": np.array(["a"])}), id="text"),
        pytest.param(lambda file, arrays: np.savez(file, labels=arrays["labels"]), id="a missing array"),
    ],
)
def test_a_damaged_index_is_made_again(tmp_path, cache, opened, damage):
    """The samples are right whatever the file of the index holds."""
    formats.write_tars(tmp_path, formats.encoded(len(LABELS)), LABELS, shards=1)
    assert labels_in_a_new_process(tmp_path) == list(LABELS)
    (file,) = cache.rglob("*.npz")
    damage(file, dict(np.load(file)))
    assert labels_in_a_new_process(tmp_path) == list(LABELS)
    assert opened == ["0.tar"] * 2


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path, cache, caplog):
    """The data set is listed all the same."""
    (cache / "dawin").write_text("a file where the folder should be")
    formats.write_tars(tmp_path, formats.encoded(len(LABELS)), LABELS, shards=1)
    assert samples_in(tmp_path).labels.tolist() == list(LABELS)
    assert [record.getMessage().split(" (")[0].rpartition(": ")[2] for record in caplog.records] == ["cannot be kept"]


def test_texts_are_packed_and_unpacked():
    """Texts of any length and script come back."""
    texts = ["", "a", "é" * 1000, "\U0001f600"]
    assert shard_index.unpacked_text(shard_index.packed_text(texts)) == texts
