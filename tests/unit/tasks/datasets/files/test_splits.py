"""Splits: those of one data set are never pooled, and a split with missing shards is refused."""

import shutil

import formats
import pytest
from reader_contract import LABELS, samples_in

from tasks.errors import DatasetError


@pytest.mark.parametrize("name", ["test.parquet", "test/0000.parquet", "test/0.tar", "test-0.tar"])
def test_splits_are_never_pooled(tmp_path, name):
    """Splits are recognised by the names of files and of folders; either one can be named alone."""
    write = formats.write_parquet if name.endswith("parquet") else formats.write_tars
    write(tmp_path / "made", formats.encoded(len(LABELS)), LABELS, shards=1)
    for split in (name, name.replace("test", "train")):
        (tmp_path / "data" / split).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(next((tmp_path / "made").iterdir()), tmp_path / "data" / split)
    with pytest.raises(DatasetError, match="splits test, train; name one"):
        samples_in(tmp_path / "data")
    assert len(samples_in(tmp_path / "data" / name)) == len(LABELS)


def test_a_missing_shard_is_named_unless_the_others_were_chosen(tmp_path):
    """The names of shards announce their number; a pattern may choose fewer."""
    formats.write_parquet(tmp_path, formats.encoded(len(LABELS)), LABELS)
    (tmp_path / "test-00001-of-00003.parquet").unlink()
    with pytest.raises(DatasetError, match="1 of 3 shards are missing, first 00001"):
        samples_in(tmp_path)
    assert len(samples_in(f"{tmp_path}/test-*.parquet")) == 5
