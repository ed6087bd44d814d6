"""Manifests: what was measured is kept beside an object, is optional, and never decides which object it is."""

import json
import re
from dataclasses import replace

import pytest

from storage import keys
from storage.errors import ManifestInvalid
from storage.manifests import manifest_content, parse_manifest, read_manifest
from storage.schemas import COEFFICIENTS
from storage.store import Store
from storage.tables import TableWriter, read_table

KEY = "coefficients/dataset=0123/id=89ab/samples-00000000-00000001.parquet"
MEASURED = {"seconds": 1.5, "device": "cpu", "samples": 2}


def written(store, measured=None):
    """Commit one small object; return the manifest in the store at the end."""
    writer = TableWriter(store, KEY, COEFFICIENTS, identity={"seed": 1}, widths={"coefficients": 2})
    writer.append({"sample_index": [0, 1], "coefficients": [[0.25, 0.75], [1.0, 0.0]]})
    return writer.commit(measured)


def test_a_measurement_comes_back_as_it_was_written(tmp_path):
    """The manifest holds the measurement; without one it is empty."""
    store = Store(str(tmp_path))
    assert written(store, MEASURED).measured == MEASURED
    assert read_manifest(store, KEY).measured == MEASURED
    assert written(Store("memory://unmeasured")).measured == {}


def test_a_manifest_without_a_measurement_is_read_as_an_empty_one(tmp_path):
    """Manifests that were written before anything was measured describe sound objects."""
    store = Store(str(tmp_path))
    content = json.loads(manifest_content(written(store, MEASURED)))
    del content["measured"]
    store.replace(keys.manifest(KEY), json.dumps(content).encode())
    assert read_manifest(store, KEY).measured == {}
    assert read_table(store, KEY, COEFFICIENTS).num_rows == 2


def test_a_second_writer_leaves_the_measurement_of_the_first(tmp_path):
    """The object is the same whatever it took to compute, so its commit stays as it is."""
    store = Store(str(tmp_path))
    first = written(store, MEASURED)
    assert written(store, {**MEASURED, "seconds": 9.0}) == first


@pytest.mark.parametrize("wrong", [None, [2], {"coefficients": "2"}, {"coefficients": True}])
def test_widths_that_are_no_whole_numbers_are_refused(tmp_path, wrong):
    """A damaged record of widths is named with its value, as the rest of a manifest is."""
    store = Store(str(tmp_path))
    content = json.loads(manifest_content(written(store)))
    assert content["widths"] == {"coefficients": 2}
    content["widths"] = wrong
    with pytest.raises(ManifestInvalid, match=re.escape(f"widths: got {wrong!r}")):
        parse_manifest(store, KEY, json.dumps(content).encode())


@pytest.mark.parametrize("wrong", [None, 1.5, "1.5 s", [1.5], True])
def test_a_measurement_that_is_no_mapping_is_refused(tmp_path, wrong):
    """A damaged manifest is named with the value that is wrong."""
    store = Store(str(tmp_path))
    content = json.loads(manifest_content(replace(written(store), measured={})))
    content["measured"] = wrong
    with pytest.raises(ManifestInvalid, match=f"measured: got {wrong!r}".replace("[", r"\[")):
        parse_manifest(store, KEY, json.dumps(content).encode())
