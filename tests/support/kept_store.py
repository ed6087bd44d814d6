"""A store made by hand that holds every kind of object and record, for tests of its upkeep; and its damage, by kind."""

import hashlib
import json
from dataclasses import replace

import damage
import many_runs
import numpy as np
import pyarrow as pa
import safetensors.numpy

from storage import cuts, keys
from storage.blobs import commit_bytes
from storage.catalogue import commit_results
from storage.identity import digest_of
from storage.manifests import read_manifest, write_manifest
from storage.pointers import point_to_latest
from storage.schemas import RESULTS
from storage.tables import TableWriter

HEAD = keys.head("ab12ab12ab12ab12")
CUT = keys.cut("d0d0d0d0d0d0d0d0")
PLAN_TEXT = b'{"any": "plan"}'
PLAN = keys.plan(hashlib.sha256(PLAN_TEXT).hexdigest()[:32])
FINDING = keys.checkpoint("ab12ab12ab12ab12")
WATCHED = keys.watched("ab12ab12ab12ab12")
KNOWN = keys.known_manifests("r000000000001")
LATEST = keys.latest("digits")
FIRST, LAST = (keys.results("digits", f"r{number:06d}") for number in (0, 1))


def fill(store):
    """Fill an empty store with sound objects and records, and return it."""
    damage.filled(store)
    tensors = {"weight": np.ones((3, 2), np.float32)}
    commit_bytes(store, HEAD, safetensors.numpy.save(tensors), entries=1, identity={"names": "abc"})
    for number in (0, 1):
        many_runs.commit_run(store, number)
    point_to_latest(store, "digits", "r000001")
    store.replace(CUT, cuts.record_of(8192))
    store.replace(PLAN, PLAN_TEXT)
    store.replace(FINDING, json.dumps({"sha256": "0" * 64}).encode())
    store.replace(WATCHED, b"{}")
    store.replace(KNOWN, json.dumps({"manifests": {}, "digest": digest_of({})}).encode())
    return store


def as_written(change):
    """Return a function that rewrites an object and its manifest, as a faulty writer would."""
    return lambda store: damage.described(store, damage.KEY, damage.rewritten(store.read(damage.KEY), change))


def _moved(table):
    place = table.schema.get_field_index("sample_index")
    index = pa.array([value + 1 for value in table["sample_index"].to_pylist()])
    return table.set_column(place, table.field("sample_index"), index)


def needing(store, *places):
    """Commit a third run whose results say that they were computed from some folders."""
    key = keys.results("digits", "r000002")
    writer = TableWriter(store, key, RESULTS, identity={"needs": [*places]})
    writer.append(many_runs.run_columns(2))
    commit_results(store, writer)
    return key


def _object(change):
    return lambda store: store.replace(damage.KEY, change(store.read(damage.KEY)))


def _of_another_object(store):
    other = store.read(keys.manifest(keys.samples(damage.PREFIX, damage.SPANS[1])))
    store.replace(keys.manifest(damage.KEY), other)


def _head_of_two(store):
    write_manifest(store, replace(read_manifest(store, HEAD), rows=2))


DAMAGE = {
    "the object has vanished": ("missing", damage.KEY, lambda store: store.delete(damage.KEY)),
    "the head has vanished": ("missing", HEAD, lambda store: store.delete(HEAD)),
    "an empty object": ("size", damage.KEY, _object(lambda content: b"")),
    "a torn object": ("size", damage.KEY, _object(lambda content: content[:-50])),
    "another bit": ("content", damage.KEY, _object(damage.flipped)),
    "other bytes": ("content", damage.KEY, _object(lambda content: b"x" * len(content))),
    "a manifest without JSON": (
        "manifest",
        damage.KEY,
        lambda store: store.replace(keys.manifest(damage.KEY), b"{"),
    ),
    "a manifest of another object": (
        "manifest",
        damage.KEY,
        _of_another_object,
    ),
    "a manifest of more rows": (
        "footer",
        damage.KEY,
        lambda store: damage.change_manifest(store, damage.KEY, rows=301),
    ),
    "a manifest of another identity": (
        "footer",
        damage.KEY,
        lambda store: damage.change_manifest(store, damage.KEY, identity={"from": "elsewhere"}),
    ),
    "a manifest of a version that the object has not": (
        "footer",
        damage.KEY,
        lambda store: damage.change_manifest(store, damage.KEY, version=9),
    ),
    "other columns": ("footer", damage.KEY, as_written(lambda table: table.drop_columns(["coefficients"]))),
    "other samples": ("footer", damage.KEY, as_written(_moved)),
    "a head of another number of tensors": ("footer", HEAD, _head_of_two),
    "results with another bit": (
        "content",
        LAST,
        lambda store: store.replace(LAST, damage.flipped(store.read(LAST))),
    ),
    "a pointer to nothing": ("pointer", LATEST, lambda store: point_to_latest(store, "digits", "r000009")),
    "a pointer without JSON": ("pointer", LATEST, lambda store: store.replace(LATEST, b"")),
    "another plan": ("record", PLAN, lambda store: store.replace(PLAN, b"{}")),
    "a finding without JSON": ("record", FINDING, lambda store: store.replace(FINDING, b"{")),
    "another finding": ("record", FINDING, lambda store: store.replace(FINDING, b"{}")),
    "a torn record of a cut": ("record", CUT, lambda store: store.replace(CUT, b"{}")),
    "a watcher's record without JSON": ("record", WATCHED, lambda store: store.replace(WATCHED, b"\xff")),
    "known manifests of another digest": (
        "record",
        KNOWN,
        lambda store: store.replace(KNOWN, b'{"manifests": {}, "digest": "no"}'),
    ),
    "a run that the catalogue does not have": (
        "catalogue",
        keys.results("digits", "r000003"),
        lambda store: many_runs.commit_bare(store, 3),
    ),
}
"""By name: the kind and the key of the fault, and a function that does the damage to a store that `fill` filled."""
