"""Looks at a store on S3 that stay open: few requests, and never bytes that the store was not seen to hold."""

import pytest
from counted_requests import counted

from storage import open_looks
from storage.errors import ObjectMissing
from storage.open_looks import OpenLook, look_again, looking, open_look
from storage.store import Store


@pytest.fixture
def store(s3):
    """A store with three objects in two folders."""
    opened = Store(f"{s3}/store")
    for key in ("a/b/1", "a/b/2", "c/3"):
        opened.replace(key, key.encode())
    return opened


def test_all_listings_of_a_small_store_cost_one_request(store, s3):
    """Each has exactly the objects that a listing without the look has."""
    wanted = {prefix: store.listing(prefix) for prefix in ("", "a", "a/b", "c", "nothing", "a/b/1")}
    with looking(store.url), counted(s3) as requests:
        assert {prefix: store.listing(prefix) for prefix in wanted} == wanted
        assert list(store.listing()) == ["a/b/1", "a/b/2", "c/3"]
        assert store.exists("c/3")
        assert not store.exists("c/4")
    assert requests.operations == {"LIST": 1}


def test_own_writes_and_deletions_show_without_a_request(store, s3):
    """The look has the sizes and marks that a new listing has."""
    with looking(store.url):
        store.listing()
        store.create("c/4", b"new")
        store.replace("a/b/1", b"changed")
        store.delete("a/b/2")
        with counted(s3) as requests:
            seen = store.listing()
        assert requests.total == 0
    assert seen == store.listing()


def test_bytes_that_were_written_or_read_are_not_requested_again(store, s3):
    """A second reading costs nothing."""
    with looking(store.url), counted(s3) as requests:
        store.create("c/4", b"new")
        assert store.read("c/4") == b"new"
        assert store.read("c/3") == store.read("c/3") == b"c/3"
        assert store.read_marked("c/3")[1] == store.stat("c/3").mark
    assert requests.keys("GET") == ["store/c/3"]


def test_an_object_that_another_process_replaced_is_read_again_after_a_new_look(store, s3):
    """Its bytes in memory have another mark, so that they are not used."""
    other = Store(f"{s3}/store/")
    with looking(store.url):
        assert store.read("c/3") == b"c/3"
        open_look(store.url).wrote("c/3", 3, '"another mark"')
        other.replace("c/3", b"xxx")
        look_again(store.url)
        assert store.read("c/3") == b"xxx"


def test_after_the_end_of_a_look_nothing_is_known(store, s3):
    """Every reading asks the store, which another process may have changed."""
    with looking(store.url):
        with looking(store.url):
            store.read("c/3")
        assert open_look(store.url) is not None
    assert open_look(store.url) is None
    with counted(s3) as requests:
        store.read("c/3")
    assert requests.operations == {"GET": 1}


def test_an_object_that_vanished_is_missing_for_its_reader(store):
    """The look may show it still; a reader whose process never had its bytes asks the store."""
    with looking(store.url) as look:
        store.listing()
        look_of_others = open_looks._open.pop(store.url)
        store.delete("c/3")
        open_looks._open[store.url] = look_of_others
        assert look is look_of_others
        with pytest.raises(ObjectMissing, match="c/3"):
            store.read("c/3")


def test_a_look_lists_again_after_a_minute(store, s3, monkeypatch):
    """A long run sees the work of others."""
    with looking(store.url), counted(s3) as requests:
        store.listing()
        monkeypatch.setattr(open_looks, "_SECONDS", 0.0)
        store.listing("a")
    assert requests.operations == {"LIST": 2}


def test_a_large_store_is_listed_by_the_folders_that_are_asked_for():
    """A folder of more objects than one answer holds is not listed in full for the sake of one inside it."""
    asked = []

    def lister(prefix, pages):
        asked.append((prefix, pages))
        return {}, prefix.count("/") >= 2 or pages == 0

    look = OpenLook()
    for identifier in ("1", "2"):
        look.listing(f"predictions/dataset=d/id={identifier}", lister)
    assert asked == [
        ("", 1),
        ("predictions", 1),
        ("predictions/dataset=d", 20),
        ("predictions/dataset=d/id=1", 0),
        ("predictions/dataset=d/id=2", 0),
    ]


def test_the_bytes_in_memory_are_bounded(monkeypatch):
    """Those that were not used longest go first, and an object that is large or has no mark is never kept."""
    monkeypatch.setattr(open_looks, "_KEPT", 8)
    monkeypatch.setattr(open_looks, "_SMALL", 4)
    look = OpenLook()

    def lister(prefix, pages):
        return {}, True

    look.listing("", lister)
    for key, content, mark in [("1", b"1111", "m"), ("2", b"2222", "m"), ("5", b"55555", "m"), ("6", b"6", "")]:
        look.wrote(key, len(content), mark)
        look.keep(key, content, mark)
    assert look.content("1", lister) == (b"1111", "m")
    look.wrote("3", 4, "m")
    look.keep("3", b"3333", "m")
    assert [key for key in "12356" if look.content(key, lister)] == ["1", "3"]
