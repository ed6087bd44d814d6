"""A look at a store: it shows what separate listings show, and on S3 it asks little."""

import pytest
from counted_requests import counted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.known_manifests import forget_manifests, leave_manifests, recall_manifests
from storage.look import Look
from storage.manifests import read_manifest, uncommit
from storage.schemas import COEFFICIENTS
from storage.soundness import inspected, missing_spans, states
from storage.spans import Span
from storage.store import Store
from storage.stored import Stored
from storage.tables import TableWriter

FOLDERS = [f"{table}/dataset={dataset}/id={one}" for table in ("outputs", "bins") for dataset in "ab" for one in "012"]
SETTINGS = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PREFIX = "coefficients/dataset=0123/id={}"


def below(listing, folder):
    """The part of a listing below a folder."""
    return {key: stored for key, stored in listing.items() if key.startswith(f"{folder}/")}


def commit(store, prefix, start=0):
    """Commit one span of two rows."""
    key = f"{prefix}/samples-{start:08d}-{start + 1:08d}.parquet"
    writer = TableWriter(store, key, COEFFICIENTS, identity={}, widths={"coefficients": 2})
    writer.append({"sample_index": [start, start + 1], "coefficients": [[0.5, 0.5], [0.5, 0.5]]})
    writer.commit()
    return key


@given(
    held=st.lists(st.tuples(st.sampled_from(FOLDERS), st.integers(0, 3)), max_size=12),
    asked=st.lists(st.sampled_from([*FOLDERS, "outputs/dataset=a", "bins", "heads"]), min_size=1, max_size=6),
)
@SETTINGS
def test_a_local_look_shows_what_separate_listings_show(tmp_path_factory, held, asked):
    """Whatever is asked for first, and whether a folder exists or not."""
    store = Store(str(tmp_path_factory.mktemp("look") / "store"))
    for folder, number in held:
        store.replace(f"{folder}/{number}.parquet", b"x" * number)
    look = Look(store)
    look.expect(asked[::2])
    for folder in asked:
        assert below(look.listing(folder), folder) == store.listing(folder)
        assert look.names(folder) == {key.removeprefix(f"{folder}/").split("/")[0] for key in store.keys(folder)}


class Paged:
    """A store on S3 that lists a few keys with each request."""

    scheme, url = "s3", "s3://paged/store"

    def __init__(self, held, page):
        self.held = {f"{folder}/{number}.parquet": Stored(number, "") for folder, number in sorted(held)}
        self.page = page

    def listing(self, folder):
        return self.held if not folder else below(self.held, folder)

    def listing_within(self, folder, pages):
        found = self.listing(folder)
        return dict(list(found.items())[: pages * self.page]), len(found) <= pages * self.page


@given(
    held=st.lists(st.tuples(st.sampled_from(FOLDERS), st.integers(0, 3)), max_size=12),
    asked=st.lists(st.sampled_from([*FOLDERS, "bins"]), min_size=1, max_size=6),
    page=st.integers(1, 4),
)
@SETTINGS
def test_a_look_at_s3_shows_what_separate_listings_show(held, asked, page):
    """However many keys a request lists, and at whichever level the look stops to descend."""
    store = Paged(held, page)
    look = Look(store)
    look.expect(asked)
    for folder in asked:
        assert below(look.listing(folder), folder) == store.listing(folder)


def test_a_small_store_on_s3_takes_one_request(s3):
    """For all folders of all tables, expected or not."""
    store = Store(f"{s3}/store")
    for folder in FOLDERS:
        store.replace(f"{folder}/a.parquet", b"x")
    look = Look(store)
    with counted(s3) as requests:
        assert all(len(below(look.listing(folder), folder)) == 1 for folder in FOLDERS)
        assert look.listing("heads") == look.listing("")
    assert requests.total == 1


def test_a_large_table_is_listed_as_far_as_a_plan_needs_it(s3, monkeypatch):
    """Ten other runs' tables cost one request for the store, one for the table and one for the data set."""
    monkeypatch.setattr("storage.s3_listing._PAGE", 5)
    store = Store(f"{s3}/store")
    for number in range(20):
        store.replace(f"predictions/dataset=a/id={number:02d}/a.parquet", b"x")
    look = Look(store)
    with counted(s3) as requests:
        assert len(below(look.listing("predictions/dataset=a/id=07"), "predictions/dataset=a/id=07")) == 1
        assert below(look.listing("predictions/dataset=b/id=07"), "predictions/dataset=b") == {}
    assert requests.operations == {"LIST": 5}


def test_a_commit_of_this_process_ends_a_look(local):
    """The next question lists again, and so it does when a commit is taken back."""
    look, prefix = Look(local), PREFIX.format("new")
    assert missing_spans(local, prefix, [Span(0, 2)], listing=look.listing(prefix)) == [Span(0, 2)]
    moment = look.moment
    key = commit(local, prefix)
    assert look.moment > moment
    assert missing_spans(local, prefix, [Span(0, 2)], listing=look.listing(prefix)) == []
    uncommit(local, key)
    assert missing_spans(local, prefix, [Span(0, 2)], listing=look.listing(prefix)) == [Span(0, 2)]


def test_the_work_of_another_process_shows_after_renewal(local):
    """Until then the look is one moment, and says so."""
    look = Look(local)
    assert look.is_known_absent("notes/a.txt") is False  # nothing was listed yet
    assert look.listing("notes") == {}
    local.replace("notes/a.txt", b"x")
    assert look.listing("notes") == {}
    assert look.is_known_absent("notes/a.txt")
    look.renew()
    assert list(look.listing("notes")) == ["notes/a.txt"]


@pytest.fixture
def on_s3(s3):
    """A store on S3 with three tables whose manifests one object holds, and their keys."""
    store = Store(f"{s3}/store")
    found = [commit(store, PREFIX.format(one)) for one in "abc"]
    leave_manifests(store, "known-manifests/r.json", [*found, "coefficients/none.parquet"])
    forget_manifests()
    return store, found


def test_one_request_recalls_all_manifests(on_s3, s3):
    """Another process finds the objects sound without a read of their manifests, and has their lengths of vectors."""
    store, found = on_s3
    with counted(s3) as requests:
        recall_manifests(store, "known-manifests/r.json")
        assert states(store, "coefficients") == dict.fromkeys(found)
    assert requests.operations == {"GET": 1, "LIST": 1}
    known = inspected(store, "coefficients", in_full=False)
    assert all(known[key].widths == {"coefficients": 2} for key in found)


def test_an_object_that_changed_since_is_read_again(on_s3):
    """Its manifest has another mark, and an object of another size is found damaged."""
    store, found = on_s3
    store.replace(found[0], b"x")
    recall_manifests(store, "known-manifests/r.json")
    faults = states(store, "coefficients")
    assert [key for key, error in faults.items() if error] == found[:1]
    uncommit(store, found[1])
    assert list(states(store, "coefficients")) == [found[0], found[2]]


def test_a_complete_manifest_is_read_where_it_is_needed(on_s3):
    """What a run left has no identity, so that a reader of identities reads the manifest itself."""
    store, found = on_s3
    recall_manifests(store, "known-manifests/r.json")
    assert inspected(store, "coefficients")[found[0]] == read_manifest(store, found[0])


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"digest": "0", "manifests": {"a": ["b", "", {}]}}'])
def test_damaged_left_manifests_cost_requests_alone(on_s3, caplog, content):
    """A warning names the object, and each manifest is read."""
    store, found = on_s3
    store.replace("known-manifests/r.json", content)
    recall_manifests(store, "known-manifests/r.json")
    assert states(store, "coefficients") == dict.fromkeys(found)
    assert "known-manifests/r.json: damaged, reading each manifest" in caplog.text


def test_equal_manifests_are_left_once(on_s3, s3):
    """A rerun with nothing to do writes nothing, and a store on a disk never holds the object."""
    store, found = on_s3
    recall_manifests(store, "known-manifests/r.json")
    states(store, "coefficients")
    with counted(s3) as requests:
        leave_manifests(store, "known-manifests/r.json", found)
    assert requests.total == 0


def test_a_local_store_holds_no_left_manifests(local):
    """Reading its manifests costs no requests."""
    leave_manifests(local, "known-manifests/r.json", list(local.keys("coefficients")))
    assert not local.exists("known-manifests/r.json")
