"""The promises of every back end: one contract, run over memory, a local folder and S3."""

import os
import pickle
import re
import threading
from pathlib import Path

import pytest

from storage.errors import ObjectExists, ObjectMissing, StoreDenied, StoreUnreachable
from storage.store import Store, open_store


class StoreContract:
    """The promises; a subclass provides the store."""

    def test_reads_what_was_created(self, store):
        """An object has the bytes that were written, and exists under its key alone."""
        store.create("a/b.bin", b"\x00content")
        assert store.read("a/b.bin") == b"\x00content"
        assert store.stat("a/b.bin").size == 8
        assert store.exists("a/b.bin")
        assert not store.exists("a")
        with store.open("a/b.bin") as file:
            file.seek(1)
            assert file.read(3) == b"con"

    def test_creating_twice_is_refused_and_keeps_the_first(self, store):
        """A second `create` raises an error that names the address, and the first object stays."""
        store.create("key", b"first")
        with pytest.raises(ObjectExists, match=rf"{store.url}/key"):
            store.create("key", b"second")
        assert store.read("key") == b"first"

    def test_replace_overwrites(self, store):
        """After a second `replace`, the object has the second content."""
        store.replace("key", b"first")
        store.replace("key", b"second")
        assert store.read("key") == b"second"

    def test_a_missing_object_names_its_full_address(self, store):
        """Every method that needs an object raises an error with the URL at which it looked."""
        for ask in (store.read, store.stat, store.open):
            with pytest.raises(ObjectMissing, match=f"{store.url}/no/such"):
                ask("no/such")

    def test_keys_are_sorted_and_below_the_prefix_only(self, store):
        """A prefix is a folder and not the beginning of a name, and temporary objects are hidden."""
        for key in ("b/2", "b/1", "a/1", "bb/1"):
            store.create(key, b"x")
        assert list(store.keys("b")) == ["b/1", "b/2"]
        assert list(store.keys()) == ["a/1", "b/1", "b/2", "bb/1"]
        assert list(store.keys("nothing")) == []

    def test_delete_removes(self, store):
        """A deleted object does not exist, and can be created again."""
        store.create("key", b"x")
        store.delete("key")
        assert not store.exists("key")
        store.create("key", b"y")
        assert store.read("key") == b"y"

    def test_deleting_a_missing_object_changes_nothing(self, store):
        """No error is raised, because another process may have been first."""
        store.create("a/key", b"x")
        store.delete("a/other")
        store.delete("b/key")
        assert list(store.keys()) == ["a/key"]

    def test_a_listing_has_sizes_and_marks_that_change_with_the_object(self, store):
        """Writing an object again changes its mark and no other, on every back end that has marks."""
        store.create("a/1", b"one")
        store.create("a/2", b"three")
        before = store.listing("a")
        assert {key: stored.size for key, stored in before.items()} == {"a/1": 3, "a/2": 5}
        assert store.stat("a/2") == before["a/2"]
        store.replace("a/1", b"two")
        assert store.listing("a")["a/2"] == before["a/2"]
        assert store.scheme == "memory" or store.listing("a")["a/1"].mark != before["a/1"].mark
        assert store.listing("nothing") == {}

    def test_upload_moves_a_file_into_the_store(self, store, tmp_path):
        """The upload replaces an existing object, and the file does not exist afterwards."""
        store.create("models/m", b"old")
        file = tmp_path / "new"
        file.write_bytes(b"new model")
        store.upload("models/m", file)
        assert store.read("models/m") == b"new model"
        assert not file.exists()
        assert list(store.keys()) == ["models/m"]

    def test_pickles_without_connections(self, store):
        """A pickled store is equal to the original, opens the same objects and holds no session."""
        store.create("key", b"x")
        copy = pickle.loads(pickle.dumps(store))
        assert copy == store
        assert copy.read("key") == b"x"
        assert b"Session" not in pickle.dumps(store)

    def test_of_many_simultaneous_writers_one_succeeds(self, store):
        """One `create` of eight succeeds, and the object has the whole content of one writer."""
        outcomes = []

        def write(content):
            try:
                store.create("key", content)
                outcomes.append("wrote")
            except ObjectExists:
                outcomes.append("refused")

        contents = [bytes([i]) * 100_000 for i in range(8)]
        threads = [threading.Thread(target=write, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["refused"] * 7 + ["wrote"]
        assert store.read("key") in contents

    def test_opening_for_writing_leaves_nothing_behind(self, store):
        """The probe of `open_store` does not exist afterwards."""
        assert list(open_store(store.url).keys()) == []


class TestLocalStore(StoreContract):
    """The contract for a local folder."""

    @pytest.fixture
    def store(self, tmp_path):
        return Store(str(tmp_path / "store"))

    def test_a_place_that_cannot_be_written_is_refused_at_once(self, tmp_path):
        """A store below a file raises an error with the store's path when it is opened."""
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreDenied, match=f"{tmp_path}/file/store"):
            open_store(str(tmp_path / "file" / "store"))

    def test_objects_are_created_on_file_systems_without_hard_links(self, store, monkeypatch):
        """`create` also succeeds once and then refuses on a network file system that has no hard links."""

        def no_links(source, target):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr("os.link", no_links)
        store.create("key", b"first")
        with pytest.raises(ObjectExists):
            store.create("key", b"second")
        assert store.read("key") == b"first"

    @pytest.mark.parametrize("how", ["create", "replace", "upload"])
    def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_end(
        self, store, how, monkeypatch, tmp_path
    ):
        """After a power cut, no name exists without its content, and no manifest without its object."""
        steps = []
        fsync, link, rename = os.fsync, os.link, Path.replace

        def synchronised(descriptor):
            steps.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))
            fsync(descriptor)

        def named(original):
            return lambda source, target: steps.append(("name", str(target))) or original(source, target)

        monkeypatch.setattr(os, "fsync", synchronised)
        monkeypatch.setattr(os, "link", named(link))
        monkeypatch.setattr(Path, "replace", named(rename))
        root = Path(store.url.removeprefix("file://"))
        if how == "upload":
            (tmp_path / "file").write_bytes(b"x")
            store.upload("a/b/key", tmp_path / "file")
        else:
            getattr(store, how)("a/b/key", b"x")
        last = [(kind, str(Path(path).parent if ".tmp/" in path else path)) for kind, path in steps[-3:]]
        assert last == [("sync", f"{root}/.tmp"), ("name", f"{root}/a/b/key"), ("sync", f"{root}/a/b")]
        assert {("sync", str(folder)) for folder in (root.parent, root, root / "a")} <= set(steps)

    def test_a_relative_path_is_made_absolute(self, tmp_path, monkeypatch):
        """The URL has the full path, so that a worker in another folder opens the same store."""
        monkeypatch.chdir(tmp_path)
        assert Store("./here").url == f"file://{tmp_path}/here"


class TestMemoryStore(StoreContract):
    """The contract for memory, which tests use."""

    @pytest.fixture
    def store(self, memory):
        return Store(memory)


class TestS3Store(StoreContract):
    """The contract for S3, over the network."""

    @pytest.fixture
    def store(self, s3):
        return Store(f"{s3}/some/prefix")

    def test_a_missing_bucket_is_refused_at_once(self, s3):
        """Opening a store in a bucket that does not exist raises an error that names the bucket."""
        with pytest.raises((StoreDenied, ObjectMissing), match="no-such-bucket-of-ours"):
            open_store("s3://no-such-bucket-of-ours/store")

    def test_the_error_of_missing_credentials_names_the_variables(self, s3, monkeypatch):
        """The message names the variables that have to be set."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(StoreDenied, match="AWS_ACCESS_KEY_ID"):
            open_store(f"{s3}/store")

    def test_a_dead_endpoint_is_named(self, s3, monkeypatch):
        """The message names the variable with the endpoint that does not answer."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(StoreUnreachable, match="AWS_ENDPOINT_URL"):
            open_store(f"{s3}/store")


@pytest.mark.parametrize("address", ["s3://", "s3:///", "memory://", "", "a\0b", "~no-such-user-of-ours/x"])
def test_addresses_that_name_no_place_are_refused(address):
    """A scheme alone, an empty text or an unknown home folder is not taken for a local folder of that name."""
    with pytest.raises(
        StoreUnreachable, match="not an address" if "\0" in address or not address else re.escape(address)
    ):
        Store(address)


def test_an_unknown_scheme_is_refused():
    """The message lists the schemes that exist."""
    with pytest.raises(StoreUnreachable, match=r"scheme 'ftp' is not known, wanted one of file, memory, s3"):
        Store("ftp://host/store")
