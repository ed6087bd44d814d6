"""Tables that results need have to be whole, not only begun."""

import damage
import kept_store
import pytest

from flows.upkeep.verify import verify
from flows.upkeep.verify_records import absent_places
from storage import keys
from storage.store import Store


@pytest.mark.parametrize("lost", damage.SPANS)
def test_one_lost_span_of_a_needed_table_is_named(tmp_path, lost, monkeypatch):
    """Other spans, or another table of the data set, show how many samples the table has to have."""
    store = kept_store.fill(Store(str(tmp_path / "store")))
    other = damage.PREFIX.replace("1111111111111111", "2222222222222222")
    with monkeypatch.context() as patch:
        patch.setattr(damage, "PREFIX", other)
        for span in damage.SPANS:
            damage.write(store, span)
    kept_store.needing(store, damage.PREFIX, other)
    assert verify(store).faults == []
    damage.delete(store, keys.samples(damage.PREFIX, lost))
    verified = verify(store)
    assert [(fault.kind, fault.key) for fault in verified.faults] == [("tables", damage.PREFIX)]
    assert f"got its first {lost.start} of 600 samples" in verified.faults[0].reason


def test_a_table_cut_in_two_ways_is_whole():
    """Spans that overlap leave no gap, and keys that are not of samples have none."""
    table, head = "bins/dataset=01/id=23", "heads/01.safetensors"
    spans = ("00000000-00000299", "00000200-00000599", "00000300-00000399")
    committed = [head, *(f"{table}/samples-{span}.parquet" for span in spans)]
    assert absent_places({table, head}, committed) == {}
    assert absent_places({table, head}, committed[2:]) == {
        head: "no object",
        table: "its first 0 of 600 samples without a gap",
    }
