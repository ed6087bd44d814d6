"""The records of an experiment's checkpoints in one object: copies, which are believed only when they are whole."""

import json

import pytest
from stub_checks import summary

from flows.planning.records_together import RecordsTogether
from storage import keys
from storage.store import Store

KEY = keys.checkpoints_of("tiny")
RECORDS = {"checkpoints/a.json": {"sha256": "0" * 64}, "checkpoints/b.json": summary("model")}


@pytest.fixture
def kept(memory):
    """A store that holds two records together."""
    store = Store(f"{memory}/store")
    together = RecordsTogether(store, "tiny")
    for key, record in RECORDS.items():
        together.note(key, record)
    together.keep()
    return store


def test_another_process_finds_all_records(kept):
    """Each under its own key, and none under another one."""
    together = RecordsTogether(kept, "tiny")
    assert {key: together.found(key) for key in RECORDS} == RECORDS
    assert together.found("checkpoints/c.json") is None
    assert RecordsTogether(kept, "other").found("checkpoints/a.json") is None


def test_equal_records_stand_in_the_object_once(kept):
    """A hundred models of one architecture have one summary."""
    together = RecordsTogether(kept, "tiny")
    for number in range(100):
        together.note(f"checkpoints/{number}.json", summary("model"))
    together.keep()
    assert len(json.loads(kept.read(KEY))["records"]) == len(RECORDS)


def test_nothing_is_written_where_nothing_is_new(kept):
    """A check that uses some of the records leaves the object as it is."""
    before = kept.read(KEY)
    kept.replace(KEY, before + b" ")
    together = RecordsTogether(kept, "tiny")
    assert together.found("checkpoints/a.json")
    together.keep()
    assert kept.read(KEY) == before + b" "


def test_a_record_that_one_check_does_not_use_stays(kept):
    """A new record is added to those that the object holds."""
    together = RecordsTogether(kept, "tiny")
    assert together.found("checkpoints/a.json")
    together.note("checkpoints/c.json", {"sha256": "1" * 64})
    together.keep()
    assert RecordsTogether(kept, "tiny").found("checkpoints/b.json") == RECORDS["checkpoints/b.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"records": [], "by_key": {}, "digest": "0"}'])
def test_a_damaged_object_holds_no_records(kept, caplog, content):
    """A warning names it; each record is then read by itself."""
    kept.replace(KEY, content)
    assert RecordsTogether(kept, "tiny").found("checkpoints/a.json") is None
    assert "experiment=tiny.json: damaged, reading each record" in caplog.text


def test_a_record_that_was_changed_by_hand_is_not_believed(kept):
    """The digest of the content does not fit it."""
    found = json.loads(kept.read(KEY))
    found["by_key"]["checkpoints/c.json"] = 0
    kept.replace(KEY, json.dumps(found).encode())
    assert RecordsTogether(kept, "tiny").found("checkpoints/c.json") is None


def test_without_an_experiment_nothing_is_together(kept):
    """Such as in a check before an experiment exists."""
    together = RecordsTogether(kept, None)
    together.note("checkpoints/a.json", RECORDS["checkpoints/a.json"])
    together.keep()
    assert list(kept.keys()) == [KEY]
