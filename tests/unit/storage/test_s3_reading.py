"""Reading objects on S3: as few requests and bytes as their verification allows."""

import pytest
from damage import KEY, filled, flipped
from s3fs import S3FileSystem

from storage import verification
from storage.errors import ObjectDamaged
from storage.schemas import COEFFICIENTS
from storage.store import Store
from storage.tables import read_table


def test_on_s3_an_object_is_read_whole_once_and_then_by_range(s3, monkeypatch):
    """The first read is one GET beside the manifest; the SHA-256 is computed once, and anew for other bytes."""
    store = filled(Store(f"{s3}/store"))
    monkeypatch.setattr(verification, "_SMALL", 0)
    digests, check = [], verification._check_digest
    monkeypatch.setattr(verification, "_check_digest", lambda *a: digests.append(a[1].key) or check(*a))
    asked, call = [], S3FileSystem._call_s3

    async def counted(self, method, *arguments, **options):
        asked.append((method, options["Key"].rpartition("/")[2], "Range" in options))
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(S3FileSystem, "_call_s3", counted)
    name = KEY.rpartition("/")[2]
    read_table(store, KEY, COEFFICIENTS, ["sample_index"])
    assert [request for request in asked if request[1] == name] == [("get_object", name, False)]
    asked.clear()
    assert read_table(store, KEY, COEFFICIENTS, ["sample_index"]).num_rows == 300
    assert {request[2] for request in asked if request[:2] == ("get_object", name)} == {True}
    assert digests == [KEY]
    read_table(store, KEY, COEFFICIENTS)
    assert digests == [KEY]
    store.replace(KEY, flipped(store.read(KEY)))
    with pytest.raises(ObjectDamaged, match="wanted SHA-256"):
        read_table(store, KEY, COEFFICIENTS, ["sample_index"])
