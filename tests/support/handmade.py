"""Pickles and PyTorch archives written by hand, byte by byte, so that even the tests import none of their functions."""

import io
import pickle as P  # noqa: N812  its opcodes
import struct
import zipfile
from itertools import chain


class Call:
    """Stands for the call of a function by its name."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments


def encode(value):
    """The body of a value's pickle, of protocol 2."""
    if isinstance(value, bytes):
        return value  # encoded already
    if isinstance(value, Call):
        return named(value.name) + encode(value.arguments) + P.REDUCE
    if isinstance(value, str):
        return P.BINUNICODE + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, int):
        return P.BININT + struct.pack("<i", value)
    before, after = {
        tuple: (P.MARK, P.TUPLE),
        list: (P.EMPTY_LIST + P.MARK, P.APPENDS),
        dict: (P.EMPTY_DICT + P.MARK, P.SETITEMS),
    }[type(value)]
    items = chain(*value.items()) if isinstance(value, dict) else value
    return before + b"".join(map(encode, items)) + after


def named(name):
    module, _, last = name.rpartition(".")
    return P.GLOBAL + f"{module}\n{last}\n".encode()


def put(place):
    return P.LONG_BINPUT + struct.pack("<I", place)


def get(place):
    return P.LONG_BINGET + struct.pack("<I", place)


def program(body):
    return P.PROTO + b"\x02" + body + P.STOP


def storage(key="0", numel=4, kind="FloatStorage", *, view=()):
    return encode(("storage", named(f"torch.{kind}"), key, "cpu", numel, *view)) + P.BINPERSID


def tensor(size=(2, 2), stride=(2, 1), offset=0, **options):
    rest = P.NEWFALSE, Call("collections.OrderedDict")
    return encode(Call("torch._utils._rebuild_tensor_v2", storage(**options), offset, size, stride, *rest))


def state(body):
    """The body of a state dict with one item."""
    return P.EMPTY_DICT + encode("visual.conv1.weight") + body + P.SETITEM


def archive(pickled, method=zipfile.ZIP_STORED, **entries):
    """A zip file like PyTorch's, of a pickle, compressed by a method, and a storage of 16 bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", pickled, method)
        for name, content in {"data/0": bytes(16), **entries}.items():
            made.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def legacy(body, keys=(), storages=b"", *, magic=0x1950A86A20F9469CFC6C):
    """A file in PyTorch's format before 1.6. A storage is its count of numbers in 8 bytes, and then the numbers."""
    number = P.LONG1 + b"\x0a" + magic.to_bytes(10, "little")
    system = {"little_endian": P.NEWTRUE}
    parts = (number, encode(1001), encode(system), body, encode(list(keys)))
    return b"".join(map(program, parts)) + storages
