"""Hostile zip files and safetensors headers, and files that are no checkpoints; `hostile_pickles` holds the pickles."""

import gzip
import io
import json
import struct
import tarfile
import warnings
import zipfile

from handmade import archive, program, state, tensor
from hypothesis import HealthCheck, settings

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For tests of random files, which may share their processor with many others and so take any time."""

COSTLY = r"costs more to read than a checkpoint may"
DAMAGED = r"damaged safetensors file"


def _zip(entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile, about names that occur twice
        with zipfile.ZipFile(buffer, "w", method) as made:
            for name, content in entries:
                made.writestr(name, content)
    return buffer.getvalue()


PICKLED = program(state(tensor()))


def _crowded(count=80_000):
    """A zip file of many entries, all of them at one place."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"archive/%04x" % (i % 65_536) for i in range(count))
    return b"PK\3\4" + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 4, 0)


def _overlapping():
    """A zip file with two names of one content."""
    made = bytearray(archive(PICKLED, **{"data/1": bytes(16)}))
    first, second = (made.rfind(b"archive/data/%d" % i) - 46 for i in (0, 1))
    made[second + 42 : second + 46] = made[first + 42 : first + 46]
    return bytes(made)


def _lying(compressed=True):
    """A zip file whose directory gives too small a size of its pickle."""
    made = bytearray(archive(PICKLED + bytes(10 << 20), zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED))
    place = made.rfind(b"archive/data.pkl") - 46
    made[place + 24 : place + 28] = struct.pack("<L", len(PICKLED))
    return bytes(made)


def _sixty_four():
    """A zip file whose directory ends beyond the file."""
    end = archive(PICKLED)[-22:]
    return archive(PICKLED)[:-22] + struct.pack("<4sLQL", b"PK\6\7", 0, 1 << 60, 1) + end


def _sixty_four_directory():
    """A zip file whose directory has 2^60 bytes."""
    start = archive(PICKLED)[:-22]
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 1 << 60, 0)
    return start + record + struct.pack("<4sLQL", b"PK\6\7", 0, len(start), 1) + archive(PICKLED)[-22:]


def _raw(header, data=b""):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header)) + header + data


def _header(data=b"", **entries):
    return _raw(json.dumps(entries), data)


def _entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def _many_names(count=20_000):
    return _header(bytes(4 * count), **{f"visual.{i}": _entry(offsets=(4 * i, 4 * i + 4)) for i in range(count)})


def _tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        made.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    return buffer.getvalue()


ZIPS = {
    "a zip file without data.pkl": (lambda: _zip([("word/document.xml", "<x/>")]), r"a zip file without data\.pkl"),
    "a zip file of two pickles": (
        lambda: _zip([("a/data.pkl", PICKLED), ("b/data.pkl", PICKLED)]),
        r"with several data\.pkl",
    ),
    "two files of one name": (
        lambda: _zip([("a/data.pkl", PICKLED), ("a/data/0", bytes(16)), ("a/data/0", bytes(16))]),
        r"two files of one name",
    ),
    "files that overlap": (_overlapping, r"overlaps what follows it"),
    "a crowded directory": (_crowded, rf"{COSTLY} \(a zip directory of 4,640,000 bytes"),
    "a name in a zip that a terminal obeys": (
        lambda: _zip([("a/data.pkl", PICKLED), ("a/\x1b[2J", b"")]),
        r"name has control characters",
    ),
    "a pickle that inflates to more than it says": (_lying, r"data\.pkl has \d+ bytes, its zip directory says \d+"),
    "a pickle of two sizes": (lambda: _lying(compressed=False), r"two sizes"),
    "a pickle of 128 MiB": (
        lambda: _zip([("a/data.pkl", bytes(1 << 27))], zipfile.ZIP_DEFLATED),
        rf"{COSTLY} \(a/data\.pkl of 134,217,728 bytes",
    ),
    "a compressed storage": (
        lambda: _zip([("a/data.pkl", PICKLED), ("a/data/0", bytes(1 << 20))], zipfile.ZIP_DEFLATED),
        r"compressed, which PyTorch does not do",
    ),
    "a storage compressed by bzip2": (
        lambda: _zip([("a/data.pkl", PICKLED), ("a/data/0", bytes(16))], zipfile.ZIP_BZIP2),
        r"compressed in a way that PyTorch does not know",
    ),
    "the end of a directory beyond the file": (_sixty_four, r"beyond its end"),
    "a directory of 2^60 bytes": (_sixty_four_directory, rf"{COSTLY} \(a zip directory of 1,152,921,504,606,846,976"),
    "a zip file that ends early": (lambda: archive(PICKLED)[:-30], r"ends early: it has no directory"),
    "a storage of the other byte order": (lambda: archive(PICKLED, byteorder=b"big"), r"of the other byte order"),
}
SAFETENSORS = {
    "a header of 65 MB": (lambda: _raw(b"{" + b" " * 65_000_000), rf"{COSTLY} \(a header of 65,000,001 bytes"),
    "a header of lists": (
        lambda: _raw(b'{"__metadata__":[' + b"[]," * 1_350_000 + b"0]}"),
        r"__metadata__ is not texts",
    ),
    "a header of dictionaries": (
        lambda: _raw(b'{"__metadata__":[' + b"{}," * 1_350_000 + b"0]}"),
        r"__metadata__ is not texts",
    ),
    "lists within lists": (lambda: _raw(b'{"a":' + b"[" * 4_000_000), rf"{DAMAGED} \(its header is not JSON"),
    "dictionaries within dictionaries": (lambda: _raw(b'{"a":' * 800_000), rf"{DAMAGED} \(its header is not JSON"),
    "a huge integer in a header": (
        lambda: _raw('{"visual.a":{"dtype":"F32","shape":[' + "9" * 1_000_000 + '],"data_offsets":[0,4]}}'),
        rf"{DAMAGED} \(its header is not JSON",
    ),
    "a shape of a million dimensions": (
        lambda: _header(bytes(4), **{"visual.a": _entry(shape=[1] * 1_000_000)}),
        rf"{DAMAGED} \(visual\.a has no shape of at most 16",
    ),
    "a shape of fractions": (
        lambda: _header(bytes(4), **{"visual.a": _entry(shape=[1.0])}),
        r"not whole numbers",
    ),
    "a shape of no number": (
        lambda: _raw('{"visual.a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', bytes(4)),
        r"not whole numbers",
    ),
    "an empty tensor of a huge shape in a header": (
        lambda: _header(**{"visual.a": _entry(shape=[0, 1 << 40, 1 << 40], offsets=(0, 0))}),
        r"not those of its shape",
    ),
    "a name twice": (
        lambda: _raw('{"visual.a":{},"visual.a":{}}'),
        rf"{DAMAGED} \(its header is not JSON: a name that occurs twice",
    ),
    "a name in a header that a terminal obeys": (
        lambda: _header(bytes(4), **{"\x1b[2J": _entry()}),
        r"with control characters",
    ),
    "a long name": (lambda: _header(bytes(4), **{"x" * 1_000_000: _entry()}), r"or more than 512"),
    "20,000 tensors": (_many_names, rf"{COSTLY} \(20,000 tensors"),
    "tensors that overlap": (
        lambda: _header(bytes(4), **{"visual.a": _entry(), "visual.b": _entry()}),
        r"begins at 0, wanted 4",
    ),
    "tensors beyond the file": (
        lambda: _header(bytes(4), **{"visual.a": _entry(shape=[1 << 40], offsets=(0, 1 << 42))}),
        r"tensors of 4,398,046,511,104 bytes, the file has 4",
    ),
    "a layer of number 99,999,999": (
        lambda: _header(bytes(4), **{"visual.layer1.99999999.conv1.weight": _entry()}),
        rf"{COSTLY} \(a layer's number of more than 3 digits",
    ),
    "a type that is a list": (lambda: _header(bytes(4), **{"visual.a": _entry(dtype=[])}), r"unknown type"),
    "a header that ends early": (lambda: struct.pack("<Q", 1 << 20) + b'{"a"', rf"{DAMAGED} \(its header is not JSON"),
}
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>"
POINTER = b"version https://git-lfs" + b".example/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 605247071\n"
OTHERS = {
    "an HTML page": (lambda: PAGE, r"not a checkpoint but an HTML page, perhaps a download that failed"),
    "a server's error": (lambda: b"<?xml version='1.0'?><Error/>", r"an XML document, perhaps a server's error"),
    "a Git LFS pointer": (lambda: POINTER, r"a Git LFS pointer"),
    "a gzip file": (lambda: gzip.compress(bytes(1 << 20)), r"a gzip file: unpack it first"),
    "a tar archive": (_tar, r"a tar archive"),
    "an empty file": (lambda: b"", r"an empty file"),
    "zeros": (lambda: bytes(100_000), r"zeros only, perhaps a download that has not ended"),
    "a JSON document": (lambda: b'{"error": "not found"}', r"a JSON document"),
    "a text": ("Entry not found — Größe\n".encode, r"not a checkpoint but a text"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), r"a picture"),
    "noise": (lambda: bytes(range(255, 0, -1)), r"a file of an unknown kind, which begins with ff fe fd"),
}
"""By name: a function that makes the file's bytes, and a pattern that the message has to match."""
