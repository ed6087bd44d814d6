"""Scans of a store with polars: the same on every back end, with committed objects only."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from storage import keys, scan
from storage.errors import ObjectMissing, ObjectOutdated
from storage.schemas import COEFFICIENTS, OUTPUTS, PREDICTIONS, TABLES
from storage.store import Store
from storage.tables import TableWriter


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "local":
        return Store(str(tmp_path / "store"))
    address = request.getfixturevalue(request.param)
    return Store(address if request.param == "memory" else f"{address}/store")


def write(store, identifier, start, stop, schema=COEFFICIENTS):
    key = keys.samples(keys.derived("coefficients", "0123", identifier), (start, stop))
    writer = TableWriter(store, key, schema, identity={}, widths={"coefficients": 2})
    values = np.column_stack([np.arange(start, stop), np.zeros(stop - start)])
    writer.append({"sample_index": np.arange(start, stop), "coefficients": values})
    writer.commit()
    return key


def test_a_scan_returns_rows_and_partitions(store):
    """The partitions become columns of text, even if a digest consists of digits alone."""
    write(store, "0001", 0, 3)
    write(store, "0001", 3, 5)
    write(store, "0002", 0, 2)
    frame = scan("coefficients", store=store)
    assert isinstance(frame, pl.LazyFrame)
    rows = frame.filter(pl.col("id") == "0001").sort("sample_index").collect()
    assert rows["sample_index"].to_list() == [0, 1, 2, 3, 4]
    assert rows["dataset"].unique().to_list() == ["0123"]
    assert rows["coefficients"].to_list()[4] == [4.0, 0.0]


def test_vectors_of_different_widths_are_scanned_together(store):
    """Runs with two models and with three are rows of one table, with lists of their lengths."""
    write(store, "0001", 0, 3)
    key = keys.samples(keys.derived("coefficients", "0123", "0003"), (0, 1))
    writer = TableWriter(store, key, COEFFICIENTS, identity={}, widths={"coefficients": 3})
    writer.append({"sample_index": [0], "coefficients": [[0.5, 0.25, 0.25]]})
    writer.commit()
    rows = scan("coefficients", store=store).sort("id", "sample_index").collect()
    assert rows["coefficients"].list.len().to_list() == [2, 2, 2, 3]


def write_logits(store, identifier, kind, width):
    """Commit outputs of two samples with logits of one type."""
    key = keys.samples(keys.outputs("0123", "4567", identifier), (0, 2))
    writer = TableWriter(store, key, OUTPUTS[kind], identity={}, widths={"logits": width})
    others = {name: [0, 0] for name in PREDICTIONS.arrow({}).names if name != "sample_index"}
    writer.append({**others, "sample_index": [0, 1], "logits": np.full((2, width), 0.5, np.float16)})
    writer.commit()
    return key


def test_a_scan_opens_no_object_before_rows_are_collected(store, monkeypatch):
    """The widths of vectors come from the manifests, so that a scan of many folders asks for no object."""
    for identifier in ("0001", "0002"):
        write(store, identifier, 0, 2)
    for name in ("open", "open_marked"):
        monkeypatch.setattr(Store, name, lambda *_: pytest.fail("an object was opened"))
    frame = scan("coefficients", store=store.url)
    assert frame.collect_schema()["coefficients"] == pl.List(pl.Float64)
    assert frame.collect().height == 4


def test_an_object_without_a_record_of_its_widths_is_opened(store):
    """Manifests that were written before widths were recorded describe sound objects of any width."""
    key = write(store, "0001", 0, 2)
    content = json.loads(store.read(keys.manifest(key)))
    assert content.pop("widths") == {"coefficients": 2}
    store.replace(keys.manifest(key), json.dumps(content).encode())
    assert scan("coefficients", store=store).collect()["coefficients"].list.len().to_list() == [2, 2]


def test_logits_of_both_types_are_one_column(store):
    """Logits that are stored as float16 become float32, whichever object comes first."""
    write_logits(store, "0001", "fp16", 3)
    write_logits(store, "0002", "fp32", 3)
    write_logits(store, "0003", "fp16", 2)
    rows = scan("outputs", store=store).sort("id", "sample_index").collect()
    assert rows.schema["logits"] == pl.List(pl.Float32)
    assert rows["logits"].list.len().to_list() == [3, 3, 3, 3, 2, 2]
    assert set(rows["logits"].explode()) == {0.5}


def test_uncommitted_objects_are_left_out(store):
    """An object without a manifest gives no rows."""
    write(store, "0001", 0, 3)
    store.delete(keys.manifest(write(store, "0002", 0, 2)))
    assert scan("coefficients", store=store).collect().height == 3


def test_an_empty_store_names_its_address(store):
    """A table without objects is an error that names the table's address, and not an empty frame."""
    with pytest.raises(ObjectMissing, match=f"{store.url}/coefficients: nothing has been committed"):
        scan("coefficients", store=store)


def test_an_unknown_table_lists_the_known(store):
    """The error of a misspelt name lists the tables that exist."""
    with pytest.raises(KeyError, match="no table 'outcomes'; the tables are outputs, coefficients"):
        scan("outcomes", store=store.url)


def test_objects_of_an_earlier_version_are_left_out_with_one_line(store, caplog, monkeypatch):
    """A table whose columns have changed is read as far as it was written again; one line counts the rest."""
    for identifier in ("0001", "0002", "0003"):
        write(store, identifier, 0, 2)
    newer = replace(COEFFICIENTS, version=2)
    monkeypatch.setitem(TABLES, "coefficients", newer)
    with pytest.raises(ObjectOutdated, match="coefficients version 1 of an earlier dawin, wanted 2; `dawin run"):
        scan("coefficients", store=store)
    write(store, "0004", 0, 3, schema=newer)
    caplog.clear()
    assert scan("coefficients", store=store).collect()["id"].unique().to_list() == ["0004"]
    (line,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert "id=0001/samples-00000000-00000001.parquet: coefficients version 1 of an earlier dawin" in line
    assert line.endswith("and 2 more of an earlier version")
