"""Cuts: objects of outputs of 16 to 64 MiB, chosen once for each data set of a store, and recorded."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import keys
from storage.cuts import Cuts, fault_in_record, record_of, samples_per_object
from storage.spans import Span
from storage.store import Store

MIB = 1024**2


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    """An empty store on each back end."""
    return Store(str(tmp_path / "store") if request.param == "local" else request.getfixturevalue(request.param))


@given(classes=st.integers(1, 200_000))
def test_an_object_of_outputs_has_16_to_64_mib_unless_a_bound_says_otherwise(classes):
    """The bounds are 1,024 samples for many classes, and 32,768 for few; every cut is a multiple of 1,024."""
    samples = samples_per_object(classes)
    size = samples * (4 * classes + 60)
    assert samples % 1024 == 0
    assert 1024 <= samples <= 32_768
    assert 16 * MIB <= size <= 32 * MIB or samples == 1024 or (samples == 32_768 and size < 16 * MIB)


@given(first=st.integers(1, 10_000), second=st.integers(1, 10_000))
def test_more_classes_never_make_an_object_of_more_samples(first, second):
    """The number falls with the bytes of a row."""
    assert samples_per_object(max(first, second)) <= samples_per_object(min(first, second))


@pytest.mark.parametrize("samples", range(1024, 32_769, 1024))
def test_a_record_says_the_number_by_its_text_and_by_its_length(samples):
    """Records of different numbers have different lengths, and any other content is named as damage."""
    assert fault_in_record(record_of(samples)) is None
    assert len(record_of(samples)) == 128 + samples // 1024
    assert fault_in_record(record_of(samples)[:-2]) is not None
    assert fault_in_record(b"x" * len(record_of(samples))) is not None


def test_a_later_run_with_another_head_takes_the_recorded_cut(store):
    """The first run chooses by its classes; the choice of another data set is its own."""
    assert Cuts(store).samples_per_object("0123", classes=1000) == 8192
    later = Cuts(store)
    assert later.samples_per_object("0123", classes=10) == 8192
    assert later.samples_per_object("4567", classes=10) == 32_768


def test_a_look_that_remembers_nothing_shows_the_choice_and_writes_nothing(store):
    """It shows the recorded cut where one is recorded."""
    assert Cuts(store, remember=False).samples_per_object("0123", classes=1000) == 8192
    assert store.listing() == {}
    Cuts(store).samples_per_object("0123", classes=10)
    assert Cuts(store, remember=False).samples_per_object("0123", classes=1000) == 32_768


def test_two_runs_that_choose_at_the_same_moment_use_one_cut(store):
    """Both have seen that nothing is recorded; the second to write takes the record of the first."""
    runs = [(Cuts(store), classes) for classes in (1000, 10, 397)]
    for cuts, _ in runs:
        assert not cuts._records
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda run: run[0].samples_per_object("0123", run[1]), runs))
    assert len(set(found)) == 1
    assert found[0] in {samples_per_object(classes) for _, classes in runs}
    assert Cuts(store).samples_per_object("0123", classes=1) == found[0]


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 128, b"x" * 161])
def test_a_damaged_record_is_named_and_the_objects_of_the_data_set_decide(store, content, caplog):
    """The record is written again, and the next run reads it without a warning."""
    store.create(keys.cut("0123"), content)
    store.create(keys.samples("outputs/dataset=0123/weights=4/id=5", Span(0, 4096)), b"")
    store.create(keys.samples("outputs/dataset=0123/weights=4/id=5", Span(4096, 5000)), b"")
    with caplog.at_level(logging.WARNING, "dawin.storage"):
        assert Cuts(store).samples_per_object("0123", classes=1000) == 4096
    assert f"{store.address('datasets/0123.json')}: damaged: {len(content)} bytes" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "dawin.storage"):
        assert Cuts(store).samples_per_object("0123", classes=1000) == 4096
    assert not caplog.text


@pytest.mark.parametrize(("spans", "cut"), [([(0, 7), (7, 12)], 7), ([(0, 1500)], 2048), ([(4096, 8192)], 8192)])
def test_a_store_without_records_shows_the_cut_by_the_names_of_the_samples(store, spans, cut):
    """Objects of any size are reused; a single object may be a shorter last one, so it counts as whole thousands."""
    for span in spans:
        store.create(keys.samples("samples/dataset=0123/id=5", Span(*span)), b"")
    assert Cuts(store).samples_per_object("0123", classes=1000) == cut
    assert (keys.cut("0123") in store.listing("datasets")) == (cut % 1024 == 0)


def test_one_listing_shows_the_cuts_of_all_data_sets(store, monkeypatch):
    """A store that records the data sets is asked once, and nothing is read."""
    first = Cuts(store)
    for number in range(5):
        first.samples_per_object(f"{number}", classes=1000)
    asked = list[str]()
    listing = Store.listing
    monkeypatch.setattr(Store, "listing", lambda self, prefix="": asked.append(prefix) or listing(self, prefix))
    monkeypatch.setattr(Store, "read", None)
    later = Cuts(store)
    assert {later.samples_per_object(f"{number}", classes=1) for number in range(5)} == {8192}
    assert asked == ["datasets"]
