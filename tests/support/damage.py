"""Damage to the objects of a store, of the kinds that disks, power cuts and faulty writers leave."""

import hashlib
from dataclasses import replace
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq

from storage.manifests import read_manifest, write_manifest


def flipped(content):
    """The same number of bytes, one bit of the data another."""
    place = len(content) // 3
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def rewritten(content, change):
    """A table with other rows, as Parquet."""
    sink = BytesIO()
    pq.write_table(change(pq.read_table(BytesIO(content))), sink)
    return sink.getvalue()


def with_value(name, row, value):
    """A change of one value of a table."""

    def change(table):
        column = table[name].to_pylist()
        column[row] = value
        place = table.schema.get_field_index(name)
        return table.set_column(place, table.field(name), pa.array(column, table.field(name).type))

    return change


def described(store, key, content, **changes):
    """Store bytes with a manifest that fits them, as a faulty writer would."""
    manifest = read_manifest(store, key)
    store.replace(key, content)
    digest = hashlib.sha256(content).hexdigest()
    write_manifest(store, replace(manifest, bytes=len(content), sha256=digest, **changes))
