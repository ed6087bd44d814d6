"""Writing to S3: as few requests as the promises of a commit allow."""

import pytest
from counted_requests import counted
from damage import KEY, write

from storage import back_ends, keys, s3_writing
from storage.errors import ObjectExists, ObjectMissing, StoreDenied
from storage.store import Store, open_store


def test_a_commit_is_two_conditional_puts(s3):
    """Nothing is read back, because neither the object nor its manifest can have replaced another one's."""
    store = open_store(f"{s3}/store")
    with counted(s3) as requests:
        write(store)
    assert [(one.operation, one.key, one.conditional) for one in requests.made] == [
        ("PUT", f"store/{KEY}", True),
        ("PUT", f"store/{keys.manifest(KEY)}", True),
    ]


def test_a_commit_looks_back_on_a_server_that_ignores_conditions(s3, monkeypatch):
    """A process asks the server once, and then takes one request more for each object."""
    put = s3_writing.put
    for module in (s3_writing, back_ends):
        monkeypatch.setattr(module, "put", lambda filesystem, path, content, **_: put(filesystem, path, content))
    store = open_store(f"{s3}/store")
    assert not store.is_exclusive
    with counted(s3) as requests:
        write(store)
    assert requests.operations == {"PUT": 2, "HEAD": 1}


def test_a_manifest_in_the_way_is_compared_with_the_object(s3):
    """The manifest of an object that vanished does not stay beside another object."""
    store = Store(f"{s3}/store")
    before = write(store, seed=0)
    store.delete(KEY)
    after = write(store, seed=1)
    assert after.sha256 != before.sha256
    assert Store(f"{s3}/store").read(KEY)
    assert write(store, seed=2).sha256 == after.sha256


def test_the_mark_of_a_new_object_is_the_one_that_a_listing_shows(s3):
    """So a writer sends no request to learn it."""
    store = Store(f"{s3}/store")
    assert store.create("a/b", b"one") == store.stat("a/b").mark
    assert store.replace("a/b", b"two") == store.stat("a/b").mark
    with pytest.raises(ObjectExists, match="a/b: exists already"):
        store.create("a/b", b"three")


def test_an_object_in_parts_is_created_once_too(s3, monkeypatch):
    """A large object keeps the condition, and its mark is left to a listing."""
    monkeypatch.setattr(s3_writing, "_IN_PARTS", 3)
    store = Store(f"{s3}/store")
    assert store.create("a/b", b"one") == ""
    with pytest.raises(ObjectExists, match="a/b"):
        store.create("a/b", b"two")
    assert store.read("a/b") == b"one"


def test_a_store_is_tried_out_once_a_minute(s3, monkeypatch):
    """The second opening sends nothing, and one after a minute tries again."""
    open_store(f"{s3}/store")
    with counted(s3) as requests:
        open_store(f"{s3}/store")
    assert requests.total == 0
    monkeypatch.setattr(s3_writing, "_SECONDS", 0.0)
    with counted(s3) as requests:
        open_store(f"{s3}/store")
    assert requests.operations["PUT"] == 2
    assert requests.operations["DELETE"] == 1


def test_a_bucket_that_does_not_exist_is_named(s3):
    """The error comes from the first PUT, so that no request is spent on looking."""
    with pytest.raises((StoreDenied, ObjectMissing), match="no-such-bucket-of-ours"):
        open_store("s3://no-such-bucket-of-ours/store")
