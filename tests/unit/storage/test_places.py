"""The place of a store: a folder that exists or can be made, a bucket, and addresses with a broken scheme."""

import re

import pytest

from storage.errors import ObjectMissing, StoreDenied, StoreUnreachable
from storage.filesystem import absolute
from storage.places import check_place, exists, neighbours
from storage.store import open_store


@pytest.mark.parametrize("writable", [True, False])
def test_a_file_in_the_place_of_a_store_is_refused(tmp_path, writable):
    """The message says whether the file is in the store's place, or above it."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreDenied, match=r"file: wanted a folder, but it is a file$"):
        open_store(str(tmp_path / "file"), writable=writable)
    with pytest.raises(StoreDenied, match=rf"file/a/b: wanted a folder, but {tmp_path}/file is a file$"):
        open_store(str(tmp_path / "file" / "a" / "b"), writable=writable)


def test_a_look_at_a_place_makes_nothing(tmp_path):
    """A folder that can be made is good, and is not made."""
    check_place(f"file://{tmp_path}/a/b", writable=False)
    assert not exists(f"file://{tmp_path}/a/b")
    assert exists(f"file://{tmp_path}")
    assert exists("s3://bucket/any")
    assert list(tmp_path.iterdir()) == []


def test_the_folders_beside_a_store_are_its_neighbours(tmp_path):
    """Folders only, sorted; a place in a folder that does not exist has none."""
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "c").touch()
    assert neighbours(f"file://{tmp_path}/x") == ["a", "b"]
    assert neighbours(f"file://{tmp_path}/x/y") == []
    assert neighbours("s3://bucket/x") == []


@pytest.mark.parametrize("writable", [True, False])
def test_a_bucket_that_does_not_exist_is_named(s3, writable):
    """Whether the store is read or written; a bucket that exists is good, though it is empty."""
    with pytest.raises(ObjectMissing, match="no such bucket: bucket-of-nobody; check its name and AWS_ENDPOINT_URL"):
        open_store("s3://bucket-of-nobody/store", writable=writable)
    assert open_store(f"{s3}/store", writable=writable).url == f"{s3}/store"


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("s3//bucket/x", "s3://bucket/x"),
        ("s3:/bucket/x", "s3://bucket/x"),
        ("s3:bucket/x", "s3://bucket/x"),
        ("S3:/bucket/x", "s3://bucket/x"),
        ("hf:/org/repo", "hf://org/repo"),
        ("file:/tmp/x", "file:///tmp/x"),
        ("memory//x", "memory://x"),
    ],
)
def test_an_address_with_a_broken_scheme_is_refused(address, meant, tmp_path, monkeypatch):
    """It is not taken for a folder of that name, unless one exists; the message has the address that was meant."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnreachable, match=rf"{address}: wanted a path or \w+://, .* did you mean {meant}\?"):
        absolute(address)
    assert absolute(f"./{address}").startswith(f"file://{tmp_path}/")
    (tmp_path / address.lstrip("/")).mkdir(parents=True)
    assert absolute(address).startswith(f"file://{tmp_path}/")


@pytest.mark.parametrize("address", ["gs:/bucket/x", "gs://bucket/x", "http:/host/x", "https//host/x", "ftp://host/x"])
def test_an_unknown_scheme_is_refused_however_it_is_written(address):
    """The message lists the schemes that exist."""
    scheme = re.match("[a-z]+", address)[0]
    with pytest.raises(StoreUnreachable, match=rf"scheme '{scheme}' is not known, wanted one of file, memory, s3, hf"):
        absolute(address)


def test_a_scheme_in_capitals_leads_to_the_one_that_exists():
    """S3 writes buckets in small letters, and so do we."""
    with pytest.raises(StoreUnreachable, match=r"scheme 'S3' is not known, .*; did you mean s3://bucket/X\?"):
        absolute("S3://bucket/X")


def test_a_secret_in_a_broken_address_is_masked():
    """The credentials are refused as in an address that is whole."""
    with pytest.raises(StoreDenied, match="s3://…@bucket/x: an address holds no credentials") as caught:
        absolute("s3:/KEY:P4SS@bucket/x")
    assert "P4SS" not in str(caught.value)


@pytest.mark.parametrize("path", ["s3/x", "a//b", "files/x", "s3x//y", "hfx:y", "memoryx"])
def test_other_paths_stay_paths(path, tmp_path):
    """A folder whose name begins like a scheme is one."""
    assert absolute(path, tmp_path).startswith(f"file://{tmp_path}/")
