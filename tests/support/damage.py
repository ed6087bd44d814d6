"""Damage to the objects of a store, of the kinds that disks, power cuts and faulty writers cause."""

import hashlib
import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage import keys, spans
from storage.manifests import read_manifest, write_manifest
from storage.schemas import COEFFICIENTS
from storage.soundness import report_again
from storage.tables import TableWriter

PREFIX = "coefficients/dataset=dddddddddddddddd/id=1111111111111111"
SPANS = spans.cut(600, size=300)
KEY = keys.samples(PREFIX, SPANS[0])


def flipped(content):
    """Return the bytes with one bit of the data flipped."""
    place = len(content) // 3
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def rewritten(content, change):
    """Return the Parquet bytes of a changed table.

    Args:
        content: the bytes of the table.
        change: takes the table and returns another one.
    """
    sink = BytesIO()
    pq.write_table(change(pq.read_table(BytesIO(content))), sink)
    return sink.getvalue()


def with_value(name, row, value):
    """Return a function that changes one value of a table."""

    def change(table):
        column = table[name].to_pylist()
        column[row] = value
        place = table.schema.get_field_index(name)
        return table.set_column(place, table.field(name), pa.array(column, table.field(name).type))

    return change


def described(store, key, content, **changes):
    """Store bytes and a manifest that fits them, as a faulty writer would."""
    manifest = read_manifest(store, key)
    store.replace(key, content)
    digest = hashlib.sha256(content).hexdigest()
    write_manifest(store, replace(manifest, bytes=len(content), sha256=digest, **changes))


def write(store, span=SPANS[0], *, identity="test", seed=0):
    """Commit an object of coefficients and return its manifest."""
    key = keys.samples(PREFIX, span)
    writer = TableWriter(store, key, COEFFICIENTS, identity={"from": identity}, widths={"coefficients": 2})
    weight = np.random.default_rng([seed, span.start]).random(span.length)
    writer.append({"sample_index": np.arange(*span), "coefficients": np.column_stack([weight, 1 - weight])})
    return writer.commit()


def filled(store):
    """Write two sound objects of one table into a store and return the store."""
    for span in SPANS:
        write(store, span)
    report_again()
    return store


OBJECTS = {
    "empty": (lambda content: b"", r"damaged, wanted [\d,]+ bytes, got 0;"),
    "torn": (lambda content: content[:-100], r"damaged, wanted [\d,]+ bytes, got [\d,]+;"),
    "another bit": (flipped, r"damaged, wanted SHA-256 [0-9a-f]{12}…, got [0-9a-f]{12}…;"),
    "other bytes": (lambda content: b"x" * len(content), r"damaged, wanted SHA-256"),
}
"""By kind of damage, a function that does it to an object's bytes, and the message of the reader."""


def delete(store, key):
    """Delete an object and its manifest."""
    store.delete(key)
    store.delete(keys.manifest(key))


def change_manifest(store, key, **changes):
    """Change fields of an object's manifest."""
    found = json.loads(store.read(keys.manifest(key)))
    store.replace(keys.manifest(key), json.dumps({**found, **changes}).encode())


DAMAGE = {
    "deleted": delete,
    "vanished": lambda store, key: store.delete(key),
    "without manifest": lambda store, key: store.delete(keys.manifest(key)),
    "emptied, without manifest": lambda store, key: (store.replace(key, b""), store.delete(keys.manifest(key))),
    "empty": lambda store, key: store.replace(key, b""),
    "torn": lambda store, key: store.replace(key, store.read(key)[:-50]),
    "another bit": lambda store, key: store.replace(key, flipped(store.read(key))),
    "manifest without JSON": lambda store, key: store.replace(keys.manifest(key), b"{"),
    "manifest of a newer version": lambda store, key: change_manifest(store, key, version=9, colour="blue"),
    "manifest of other rows": lambda store, key: change_manifest(store, key, bytes=7),
}
"""By kind of damage, a function that does it to an object of a store."""
