"""Requests to S3 that fail: repeated while the failure may pass, given up with one line that names the place."""

import hashlib
import socket
import threading

import faulty_s3
import pytest
from faulty_s3 import FAULTS, FaultyS3

from storage import keys
from storage.commits import commit
from storage.errors import ObjectChanged, ObjectExists, ObjectMissing, StoreDenied, StoreUnreachable
from storage.manifests import Manifest, now, read_manifest
from storage.s3_filesystem import S3
from storage.s3_retries import etag_of_parts, wait
from storage.store import Store

PART = 5 << 20  # bytes, the smallest part of an upload
UNREACHABLE = r"s3://\S+/store/a: no answer, asked \d+ times \({}.*\); check AWS_ACCESS_KEY_ID, .* AWS_ENDPOINT_URL"
CAUSES = {"refused": "Could not connect to the endpoint", "503": "it answered 503", "silent": "Read timeout"}


@pytest.fixture
def proxy(s3, s3_server, monkeypatch):
    """A proxy without faults in front of the S3 server; the AWS variables lead to it."""
    S3.clear_instance_cache()
    with FaultyS3(s3_server) as started:
        monkeypatch.setenv("AWS_ENDPOINT_URL", started.url)
        yield started


@pytest.fixture
def store(s3, proxy):
    """A store behind the proxy that holds one object, `a`."""
    made = Store(f"{s3}/store")
    made.create("a", b"content")
    return made


@pytest.fixture
def hurried(monkeypatch):
    """Requests are given up after a fraction of a second, in which a server may be silent."""
    monkeypatch.setattr(S3, "patience", 0.3)
    monkeypatch.setattr(S3, "read_timeout", 0.2)
    monkeypatch.setattr("storage.s3_filesystem._NEVER_ANSWERED", 0.3)
    S3.clear_instance_cache()


@pytest.fixture
def quick(monkeypatch):
    """Waits and delays are short."""
    monkeypatch.setattr("storage.s3_retries._LONGEST", 0.02)
    monkeypatch.setattr(faulty_s3, "_LONGEST_DELAY", 0.02)


@pytest.mark.parametrize("kind", FAULTS)
def test_no_caller_notices_a_fault_that_passes(s3, store, proxy, quick, kind):
    """Every operation of a store gives the answer of a sound server although each second request fails."""
    proxy.kinds, proxy.probability = [kind], 0.5
    for i in range(8):
        key, content = f"folder/{i}", bytes(1000 * i)
        store.create(key, content)
        with pytest.raises(ObjectExists):
            store.create(key, content)
        store.replace(key, content[::2])
        assert store.read(key) == store.read(key, in_parallel=True) == content[::2]
        with store.open(key) as file:
            assert file.read(100) == content[::2][:100]
        assert store.stat(key).size == len(content[::2])
        assert store.exists(key)
        with pytest.raises(ObjectMissing):
            store.read("folder/missing")
        if i % 2:
            store.delete(key)
            assert not store.exists(key)
    assert list(store.keys("folder")) == [f"folder/{i}" for i in range(0, 8, 2)]
    assert proxy.injected[kind] > 5


def test_a_creation_that_succeeded_unseen_succeeds(store, proxy):
    """The repeated PUT meets the object of the first one; an object of another writer is refused, equal or not."""
    proxy.kinds, proxy.probability = ["unseen"], 1.0
    threading.Timer(0.5, setattr, [proxy, "probability", 0.0]).start()
    store.create("b", b"content")
    assert proxy.injected["unseen"]
    assert store.read("b") == b"content"
    with pytest.raises(ObjectExists):
        Store(store.url).create("b", b"content")


def test_a_replacement_that_succeeded_unseen_succeeds(store, proxy):
    """The condition of the repeated PUT fails because of the first one; after another writer's it is an error."""
    mark = store.stat("a").mark
    proxy.kinds, proxy.probability = ["unseen"], 1.0
    threading.Timer(0.5, setattr, [proxy, "probability", 0.0]).start()
    store.replace("a", b"ours", expected=mark)
    assert proxy.injected["unseen"]
    assert store.read("a") == b"ours"
    with pytest.raises(ObjectChanged):
        store.replace("a", b"ours", expected=mark)


def test_a_commit_whose_writes_succeeded_unseen_is_ours(store, proxy, quick):
    """Each PUT of a commit is answered by a reset once: the manifest is the writer's, and the object is as written."""
    key, content = keys.head("0123"), b"weights"
    digest = hashlib.sha256(content).hexdigest()
    ours = Manifest(
        key=key,
        table="heads",
        version=2,
        rows=1,
        bytes=len(content),
        sha256=digest,
        identity={},
        created_at=now(),
        run=None,
    )
    proxy.kinds, proxy.probability = ["unseen"], 0.7
    assert commit(store, ours, content, lambda _: "other bytes") == ours
    proxy.probability = 0.0
    assert proxy.injected["unseen"]
    assert (store.read(key), read_manifest(store, key)) == (content, ours)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kinds", [("500", "reset"), ("unseen",)])
def test_an_upload_in_parts_survives_lost_parts_and_answers(s3, proxy, tmp_path, kinds):
    """The object is whole, and no upload remains that nobody completes."""
    content = bytes(range(256)) * (3 * PART // 256)
    (tmp_path / "file").write_bytes(content)
    filesystem = S3(use_listings_cache=False, skip_instance_cache=True)
    proxy.kinds, proxy.probability = list(kinds), 0.4
    filesystem.put_file(str(tmp_path / "file"), f"{s3}/uploaded", chunksize=PART)
    filesystem.pipe_file(f"{s3}/piped", content, chunksize=PART, mode="create")
    assert filesystem.cat_file(f"{s3}/piped", chunksize=PART) == content
    proxy.probability = 0.0
    assert filesystem.cat_file(f"{s3}/uploaded") == content
    assert any(proxy.injected[kind] for kind in kinds)
    if kinds == ("500", "reset"):  # an upload whose beginning was not seen begins again, and the first one remains
        assert filesystem.list_multipart_uploads(s3.removeprefix("s3://")) == []


@pytest.mark.parametrize("kind", ["refused", "503", "silent"])
@pytest.mark.parametrize("call", ["read", "create", "replace", "exists", "stat", "delete", "keys"])
def test_a_store_that_fails_for_good_is_reported_in_one_line(store, proxy, hurried, call, kind):
    """The message names the object, the cause and the variables to check, whichever operation met the failure."""
    proxy.fail(kind)
    content = [b"other"] if call in ("create", "replace") else []
    with pytest.raises(StoreUnreachable, match=UNREACHABLE.format(CAUSES[kind])) as error:
        list(getattr(Store(store.url), call)("a", *content) or ())
    assert "\n" not in str(error.value)


def test_a_refusal_is_not_asked_for_again(store, proxy):
    """A server that refuses access is asked once, by an open file too, and the message says what to check."""
    with store.open("a") as file:
        proxy.fail("403")
        for read in (lambda: store.read("a"), lambda: store.exists("a"), file.read):
            before = proxy.requests
            with pytest.raises(StoreDenied, match=r"store/a: access denied \(.*\); check AWS_ACCESS_KEY_ID"):
                read()
            assert proxy.requests == before + 1


def test_work_that_ends_because_a_store_is_lost_does_not_wait_for_it_again(store, proxy, hurried):
    """After one request was given up, others are sent once; a success makes requests patient again."""
    proxy.fail("503")
    with pytest.raises(StoreUnreachable, match=r"asked \d+ times"):
        store.read("a")
    with pytest.raises(StoreUnreachable, match=r"store/b: no answer, asked once \(it answered 503 SlowDown\)"):
        store.replace("b", b"content")
    proxy.heal()
    assert store.read("a") == b"content"
    proxy.fail("503")
    with pytest.raises(StoreUnreachable, match=r"asked \d+ times"):
        store.read("a")


def test_a_server_that_takes_no_bytes_does_not_hold_an_upload_for_ever(s3, proxy, hurried, monkeypatch):
    """An upload larger than all buffers in between is given up, although the connection stays open."""
    monkeypatch.setattr("storage.s3_filesystem._STALLED", 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(StoreUnreachable, match="store/large: no answer"):
            Store(f"{s3}/store").replace("large", bytes(64 << 20))


def test_waits_grow_and_differ():
    """The longest wait doubles from 0.2 seconds to 4, and each wait is random below it."""
    drawn = [[wait(attempt) for _ in range(200)] for attempt in range(8)]
    longest = [0.2, 0.4, 0.8, 1.6, 3.2, 4, 4, 4]
    assert all(0.8 * most < max(waits) <= most for waits, most in zip(drawn, longest, strict=True))
    assert all(len(set(waits)) > 190 for waits in drawn)


def test_the_etag_of_parts_is_that_of_the_server(s3, store):
    """The server computes the same ETag for an object uploaded in two parts; encrypted parts have none."""
    filesystem, content = S3(use_listings_cache=False, skip_instance_cache=True), bytes(2 * PART)
    filesystem.pipe_file(f"{s3}/parts", content, chunksize=PART)
    part = {"ETag": f'"{hashlib.md5(content[:PART]).hexdigest()}"'}
    assert filesystem.info(f"{s3}/parts")["ETag"].strip('"') == etag_of_parts([part, part])
    assert etag_of_parts([{"ETag": '"no-md5"'}]) is None
