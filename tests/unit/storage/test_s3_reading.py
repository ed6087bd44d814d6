"""Reads of objects on S3: as few requests and bytes as verification allows."""

import hashlib

import pytest
from damage import PREFIX, flipped, write
from s3fs import S3FileSystem

from storage import keys
from storage.errors import ObjectDamaged
from storage.schemas import COEFFICIENTS
from storage.spans import Span
from storage.store import Store
from storage.tables import read_table

LARGE = Span(0, 300_000)  # samples: 5 MB, of which the indices are a small part; a small object is always read whole


@pytest.fixture
def requests(monkeypatch):
    """Return a list that gets the method and key of each request to S3, and whether it asks for a range of bytes."""
    asked, call = [], S3FileSystem._call_s3  # s3fs has no public hook for this

    async def counted(self, method, *arguments, **options):
        asked.append((method, options["Key"].partition("/")[2], "Range" in options))
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(S3FileSystem, "_call_s3", counted)
    return asked


@pytest.fixture
def hashed(monkeypatch):
    """Return a list that gets the length of each text whose SHA-256 is computed."""
    lengths, sha256 = [], hashlib.sha256

    def counted(content=b"", **options):
        lengths.append(len(content))
        return sha256(content, **options)

    monkeypatch.setattr(hashlib, "sha256", counted)
    return lengths


def test_an_object_on_s3_is_read_whole_once_and_then_by_range(s3, requests, hashed):
    """The first read is one GET, and the SHA-256 is computed once until the object changes."""
    store, key = Store(f"{s3}/store"), keys.samples(PREFIX, LARGE)
    size = write(store, LARGE).bytes
    hashed.clear()
    requests.clear()
    read_table(store, key, COEFFICIENTS, ["sample_index"])
    assert [request for request in requests if request[1] == key] == [("get_object", key, False)]
    assert hashed.count(size) == 1
    requests.clear()
    assert read_table(store, key, COEFFICIENTS, ["sample_index"]).num_rows == LARGE.length
    assert {by_range for method, of, by_range in requests if (method, of) == ("get_object", key)} == {True}
    read_table(store, key, COEFFICIENTS)
    assert hashed.count(size) == 1
    store.replace(key, flipped(store.read(key)))
    with pytest.raises(ObjectDamaged, match="wanted SHA-256"):
        read_table(store, key, COEFFICIENTS, ["sample_index"])
