"""Tables: checked against their schema, visible once they are committed, and kept in one copy."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import described

from storage import keys
from storage.errors import ManifestInvalid, ObjectMissing, SchemaMismatch
from storage.manifests import committed, read_manifest
from storage.schemas import COEFFICIENTS, PREDICTIONS, TABLES
from storage.soundness import is_committed, missing_spans
from storage.store import Store
from storage.tables import TableWriter, read_samples, read_table, vectors

KEY = "coefficients/dataset=d/id=i/samples-00000000-00000002.parquet"


@pytest.fixture
def store(memory):
    return Store(memory)


def write(store, key=KEY, values=((0.25, 0.75), (1.0, 0.0), (0.5, 0.5)), start=0):
    writer = TableWriter(store, key, COEFFICIENTS, identity={"from": "test"}, widths={"coefficients": 2})
    writer.append({"sample_index": np.arange(start, start + len(values)), "coefficients": np.array(values)})
    return writer.commit()


def test_a_table_is_read_as_it_was_written(store):
    """Values, order and vectors are the same."""
    write(store)
    table = read_table(store, KEY, COEFFICIENTS)
    assert table["sample_index"].to_pylist() == [0, 1, 2]
    np.testing.assert_array_equal(vectors(table["coefficients"]), [[0.25, 0.75], [1, 0], [0.5, 0.5]])


def test_nothing_is_visible_before_the_commit(store):
    """A writer that was killed before its commit leaves no object."""
    writer = TableWriter(store, KEY, COEFFICIENTS, identity={}, widths={"coefficients": 2})
    writer.append({"sample_index": [0], "coefficients": [[0.5, 0.5]]})
    assert list(store.keys()) == []


def test_an_object_without_manifest_is_not_committed(store):
    """A plan, a listing of committed objects and a reader all ignore it."""
    write(store)
    store.delete(keys.manifest(KEY))
    assert not is_committed(store, KEY)
    assert list(committed(store, "coefficients")) == []
    with pytest.raises(ObjectMissing, match="not committed"):
        read_table(store, KEY, COEFFICIENTS)


def test_the_manifest_describes_the_object(store):
    """It holds the object's rows, bytes, SHA-256 and identity."""
    manifest = write(store)
    content = store.read(KEY)
    assert read_manifest(store, KEY) == manifest
    assert (manifest.rows, manifest.bytes) == (3, len(content))
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert manifest.identity == {"from": "test"}


def test_a_damaged_manifest_is_refused(store):
    """The error names the manifest."""
    write(store)
    store.replace(keys.manifest(KEY), b'{"rows": 3}')
    with pytest.raises(ManifestInvalid, match=r"samples-00000000-00000002.parquet.manifest.json: not a manifest"):
        read_manifest(store, KEY)


def test_the_second_writer_leaves_the_first_ones_object(store):
    """Both writers succeed, the first one's bytes stay, and the manifest fits them."""
    first = write(store)
    before = store.read(KEY)
    second = write(store, values=((0.1, 0.9), (0.2, 0.8), (0.3, 0.7)))
    assert store.read(KEY) == before
    assert second.sha256 == first.sha256


def test_an_object_whose_writer_was_killed_before_the_manifest_is_adopted(store):
    """The next writer of the object commits it."""
    write(store)
    store.delete(keys.manifest(KEY))
    write(store)
    assert read_table(store, KEY, COEFFICIENTS).num_rows == 3


def test_missing_spans_are_those_without_manifest(store):
    """A plan gets the spans without a committed object, in the data set's order."""
    spans = [(0, 3), (3, 6), (6, 8)]
    prefix = "coefficients/dataset=d/id=i"
    write(store, keys.samples(prefix, (3, 6)), start=3)
    assert missing_spans(store, prefix, spans) == [(0, 3), (6, 8)]


def test_samples_are_read_in_data_set_order(store):
    """The order in which the objects were written does not matter."""
    prefix = "coefficients/dataset=d/id=i"
    for start in (6, 0, 3):
        write(store, keys.samples(prefix, (start, start + 3)), start=start)
    table = read_samples(store, prefix, COEFFICIENTS, ["sample_index"])
    assert table["sample_index"].to_pylist() == list(range(9))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sample_index": [0]}, r"wanted columns \['sample_index', 'coefficients'\], got \['sample_index'\]"),
        ({"sample_index": [0], "coefficients": [[1.0, 0, 0]]}, r"wanted shape \(n, 2\), got \(1, 3\)"),
        ({"sample_index": [None], "coefficients": [[1.0, 0]]}, "sample_index must not hold nulls"),
        ({"sample_index": ["zero"], "coefficients": [[1.0, 0]]}, "zero"),
        ({"sample_index": [0, 1], "coefficients": [[1.0, 0]]}, "expected length"),
    ],
)
def test_columns_that_do_not_fit_the_schema_are_refused(store, columns, message):
    """The message names the object, and the wanted and the actual columns."""
    writer = TableWriter(store, KEY, COEFFICIENTS, identity={}, widths={"coefficients": 2})
    with pytest.raises(SchemaMismatch, match=message):
        writer.append(columns)


def test_a_table_of_another_schema_or_version_is_refused_on_reading(store):
    """The error names both tables with their versions, and an object of a later version stays committed."""
    write(store)
    with pytest.raises(SchemaMismatch, match="wanted table predictions version 2, got coefficients version 1"):
        read_table(store, KEY, PREDICTIONS)
    table = pq.read_table(pa.BufferReader(store.read(KEY)))
    later = table.replace_schema_metadata({**table.schema.metadata, b"dawin.version": b"2"})
    sink = pa.BufferOutputStream()
    pq.write_table(later, sink)
    described(store, KEY, sink.getvalue().to_pybytes())
    with pytest.raises(SchemaMismatch, match="got coefficients version 2"):
        read_table(store, KEY, COEFFICIENTS)
    assert is_committed(store, KEY)  # the commit of a newer version's object is never taken back


def test_widths_have_to_be_those_of_the_vectors():
    """A schema with vectors refuses to become a pyarrow schema without their widths."""
    with pytest.raises(SchemaMismatch, match=r"wanted widths of \['coefficients'\], got \[\]"):
        COEFFICIENTS.arrow({})


def test_every_per_sample_table_begins_with_the_sample_index():
    """The index, by which readers join tables, is the first column of each."""
    for name in ("outputs", "coefficients", "mixtures", "predictions"):
        assert TABLES[name].columns[0].name == "sample_index"


def test_the_key_of_an_object_holds_its_span():
    """The name has the first and the last sample, both included; another name is refused."""
    key = keys.samples("p", (0, 8192))
    assert key == "p/samples-00000000-00008191.parquet"
    assert keys.span_of(key) == (0, 8192)
    with pytest.raises(ManifestInvalid, match="wanted a name like"):
        keys.span_of("p/part-0.parquet")


def test_the_parquet_metadata_hold_the_identity(store):
    """A file without its manifest still shows the inputs that it was computed from."""
    write(store)
    metadata = pq.read_schema(pa.BufferReader(store.read(KEY))).metadata
    assert json.loads(metadata[b"dawin.identity"]) == {"from": "test"}
