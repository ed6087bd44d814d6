"""Pickles that attack: nothing of them runs, and each is one clear error."""

import contextlib
import io
import pickle
import pickletools
import struct
import zipfile

import hypothesis.strategies as st
import pytest
import tiny
import torch
from hypothesis import given, settings

from tasks.errors import CheckpointError
from tasks.models.damage import DamagedFile, UnsafePickle
from tasks.models.inert_pickle import read_pickle
from tasks.models.tensor_files import read_tensors

P = pickle  # opcodes below


class Call:
    """Pickles as a call of a function by name."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments


def encode(value):
    """A pickle, protocol 2, written by hand: real functions are never looked up, not even by the test."""
    if isinstance(value, Call):
        module, _, name = value.name.rpartition(".")
        return P.GLOBAL + f"{module}\n{name}\n".encode() + encode(value.arguments) + P.REDUCE
    if isinstance(value, str):
        return P.BINUNICODE + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, int):
        return P.BININT + struct.pack("<i", value)
    if isinstance(value, tuple):
        return P.MARK + b"".join(map(encode, value)) + P.TUPLE
    if isinstance(value, list):
        return P.EMPTY_LIST + P.MARK + b"".join(map(encode, value)) + P.APPENDS
    assert isinstance(value, dict)
    return P.EMPTY_DICT + P.MARK + b"".join(encode(k) + encode(v) for k, v in value.items()) + P.SETITEMS


def program(body):
    return P.PROTO + b"\x02" + body + P.STOP


def storage(key="0", numel=4, kind="FloatStorage"):
    pid = P.MARK + encode("storage") + P.GLOBAL + f"torch\n{kind}\n".encode() + encode(key) + encode("cpu")
    return pid + encode(numel) + P.TUPLE + P.BINPERSID


def tensor(size=(2, 2), stride=(2, 1), offset=0, **options):
    arguments = P.MARK + storage(**options) + encode(offset) + encode(size) + encode(stride) + P.NEWFALSE
    arguments += P.GLOBAL + b"collections\nOrderedDict\n" + P.EMPTY_TUPLE + P.REDUCE + P.TUPLE
    return P.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n" + arguments + P.REDUCE


def named(body):
    """A state dict of one item."""
    return P.EMPTY_DICT + encode("visual.conv1.weight") + body + P.SETITEM


def archive(pickled, **entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", pickled)
        for name, content in {"data/0": bytes(16), **entries}.items():
            made.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def refused(content):
    with pytest.raises(CheckpointError, match=r"^there: ") as caught:
        read_tensors(io.BytesIO(content), "there")
    assert "\n" not in str(caught.value)
    return str(caught.value)


CALLS = {
    "os.system": Call("os.system", "false"),
    "posix.system": Call("posix.system", "false"),
    "nt.system": Call("nt.system", "false"),
    "subprocess.Popen": Call("subprocess.Popen", ["false"]),
    "builtins.eval": Call("builtins.eval", "1/0"),
    "builtins.exec": Call("__builtin__.exec", "1/0"),
    "builtins.getattr": Call("builtins.getattr", Call("builtins.__import__", "os"), "system"),
    "chain of getattr": Call("builtins.getattr", Call("builtins.getattr", "x", "__class__"), "__mro__"),
    "builtins.open": Call("builtins.open", "/etc/passwd"),
    "operator.attrgetter": Call("operator.attrgetter", "__class__"),
    "importlib": Call("importlib.import_module", "os"),
    "runpy": Call("runpy.run_path", "x.py"),
    "codecs": Call("codecs.open", "x"),
    "ctypes": Call("ctypes.CDLL", "libc.so.6"),
    "socket": Call("socket.socket"),
    "pickle in pickle": Call("pickle.loads", "x"),
    "copyreg": Call("copyreg._reconstructor", "x", "y"),
    "webbrowser": Call("webbrowser.open", "x"),
    "torch.load": Call("torch.load", "x"),
    "torch.hub.load": Call("torch.hub.load", "x", "y"),
    "torch.ops": Call("torch.ops.load_library", "x"),
    "torch extension": Call("torch.utils.cpp_extension.load", "x"),
    "torch dynamo": Call("torch._dynamo.eval", "x"),
    "numpy": Call("numpy.load", "x"),
    "numpy testing": Call("numpy.testing._private.utils.runstring", "1/0", {}),
    "own module": Call("__main__.attack"),
    "unknown library": Call("evil.attack", 1),
}


@pytest.mark.parametrize("attack", CALLS)
def test_calls_are_refused_and_named(attack):
    """Alone, and beside tensors, and deep inside of containers."""
    call = CALLS[attack]
    for value in (call, {"visual.conv1.weight": call}, [({"a": [call]},)]):
        assert f"none of it was run ({call.name})" in refused(archive(program(encode(value))))


STRANGE = {
    "call of a call's result": encode(Call("torch.device", "cpu")) + P.EMPTY_TUPLE + P.REDUCE,
    "call of text": encode("os.system") + P.EMPTY_TUPLE + P.REDUCE,
    "call with a list": P.GLOBAL + b"collections\nOrderedDict\n" + P.EMPTY_LIST + P.REDUCE,
    "object of text": encode("os") + P.EMPTY_TUPLE + P.NEWOBJ,
    "stacked name": encode("os") + encode("system") + P.STACK_GLOBAL + P.EMPTY_TUPLE + P.REDUCE,
    "stacked number": encode(1) + encode(2) + P.STACK_GLOBAL,
    "old instance": P.MARK + P.INST + b"os\nsystem\n",
    "old object": P.MARK + P.GLOBAL + b"collections\nOrderedDict\n" + P.OBJ,
    "extension": P.EXT1 + b"\x01",
    "text identifier": P.PERSID + b"storage\n",
    "identifier of no storage": encode(("module", "x")) + P.BINPERSID,
    "storage of a class": encode(("storage", "x", "0", "cpu", 4)) + P.BINPERSID,
    "tensor of no storage": encode(Call("torch._utils._rebuild_tensor_v2", 1, 0, (1,), (1,), 0, 0)),
    "parameter of no tensor": encode(Call("torch._utils._rebuild_parameter", "x", 0, 0)),
    "missing storage": named(tensor(key="17")),
    "storage outside of the archive": named(tensor(key="../../x")),
    "unknown storage type": named(tensor(kind="EvilStorage")),
    "tensor beyond its storage": named(tensor(size=(2, 3), stride=(3, 1))),
    "offset beyond its storage": named(tensor(offset=1)),
    "negative stride": named(tensor(stride=(-2, 1))),
    "negative size": named(tensor(size=(-1, 2))),
    "oversize by stride 0": named(tensor(size=(1 << 30, 1 << 30), stride=(0, 0))),
    "shape of text": named(tensor(size="22", stride="21")),
    "memo that is not there": P.BINGET + b"\x07",
    "pop from nothing": P.POP + P.POP,
    "mark that is not there": P.TUPLE,
    "items for a number": encode(1) + encode("a") + encode("b") + P.SETITEM,
    "odd items": P.EMPTY_DICT + P.MARK + encode("a") + P.SETITEMS,
    "newest protocol": P.PROTO + b"\x09" + P.NONE,
    "nothing": b"",
}


@pytest.mark.parametrize("program_of", STRANGE)
def test_strange_programs_are_refused(program_of):
    """One line each."""
    refused(archive(program(STRANGE[program_of])))


def test_huge_numbers_cost_nothing():
    """A memo of four billion places, a text of four gigabytes, a call of a million levels."""
    read_pickle(program(P.NONE + P.LONG_BINPUT + b"\xff\xff\xff\xff"), {})
    with pytest.raises(DamagedFile):
        read_pickle(program(P.BINUNICODE + b"\xff\xff\xff\xff"), {})
    with pytest.raises(DamagedFile):
        read_pickle(program(P.BINBYTES8 + b"\xff" * 8), {})
    deep = read_pickle(program(P.EMPTY_TUPLE + P.TUPLE1 * 100_000), {})
    assert len(deep) == 1
    nested = P.EMPTY_DICT + (P.EMPTY_TUPLE + P.TUPLE1 * 100_000) + P.NONE + P.SETITEM
    assert list(read_pickle(program(nested), {}).values()) == [None]  # a key that would take a stack to hash
    with pytest.raises(DamagedFile, match="a pickle of 70000000 bytes"):
        read_pickle(bytes(70_000_000), {})


def test_a_module_that_holds_itself_is_refused():
    """And one with modules nested without end."""
    module = P.GLOBAL + b"torch.nn.modules.container\nSequential\n" + P.EMPTY_TUPLE + P.NEWOBJ + P.BINPUT + b"\x01"
    cycle = module + encode("self").join([P.EMPTY_DICT, b""]) + P.BINGET + b"\x01" + P.SETITEM + P.BUILD
    assert "nested more than" in refused(archive(program(cycle)))


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED])
def test_compressed_storages_are_refused(kind):
    """A small file of a petabyte of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as made:
        made.writestr("archive/data.pkl", program(named(tensor())))
        made.writestr("archive/data/0", bytes(16))
    assert "compressed" in refused(buffer.getvalue())


@pytest.fixture(scope="module")
def whole():
    buffer = io.BytesIO()
    torch.save(tiny.soup_state(1), buffer)
    return buffer.getvalue()


def test_truncated_at_every_kilobyte(whole):
    """Always one line."""
    for length in range(0, len(whole) - 1, 1024):
        refused(whole[:length])


def test_a_pickle_truncated_at_every_opcode(whole):
    """Inside of a whole archive."""
    with zipfile.ZipFile(io.BytesIO(whole)) as made:
        pickled = made.read("archive/data.pkl")
    for _, _, position in list(pickletools.genops(pickled))[::9]:
        refused(archive(pickled[:position]))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_pickle_with_bytes_changed(data):
    """Tensors, or one clear error; whatever was changed."""
    pickled = bytearray(program(named(tensor())))
    for _ in range(data.draw(st.integers(1, 4))):
        pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CheckpointError):
        found = read_tensors(io.BytesIO(archive(bytes(pickled))), "there")
        assert all(tensor.numel() <= 16 for tensor in found.values())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    """As a pickle, as a zip's start, as a safetensors header."""
    for pickled in (noise, program(noise)):
        with contextlib.suppress(UnsafePickle, DamagedFile):
            read_pickle(pickled, {})
    refused(b"PK\x03\x04" + noise)
    refused(struct.pack("<Q", len(noise)) + b"{" + noise)
