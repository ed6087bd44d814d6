"""Hostile pickles are refused with one clear error each, and none of their code runs."""

import contextlib
import io
import pickle as P  # noqa: N812  its opcodes
import pickletools
import resource
import struct
import zipfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
import tiny
import torch
from handmade import Call, archive, encode, get, legacy, named, program, put, state, storage, tensor
from hostile_files import UNTIMED
from hypothesis import given, settings

from tasks.errors import CheckpointError
from tasks.models.files.damage import DamagedFile, TooCostly, UnsafePickle
from tasks.models.files.inert_pickle import read_pickle
from tasks.models.files.tensor_files import read_tensors


@pytest.fixture(autouse=True, scope="module")
def _little_memory():
    """Half a GiB beyond the process's memory; a test that takes more fails with `MemoryError`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (512 << 20), hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


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
    """A call is refused by its name, alone, beside tensors and deep inside of containers."""
    call = CALLS[attack]
    for value in (call, {"visual.conv1.weight": call}, [({"a": [call]},)]):
        assert f"none of it was run ({call.name})" in refused(archive(program(encode(value))))


STRANGE = {
    "call of a call's result": encode(Call("torch.device", "cpu")) + P.EMPTY_TUPLE + P.REDUCE,
    "call of text": encode("os.system") + P.EMPTY_TUPLE + P.REDUCE,
    "call with a list": named("collections.OrderedDict") + P.EMPTY_LIST + P.REDUCE,
    "object of text": encode("os") + P.EMPTY_TUPLE + P.NEWOBJ,
    "stacked name": encode("os") + encode("system") + P.STACK_GLOBAL + P.EMPTY_TUPLE + P.REDUCE,
    "stacked number": encode(1) + encode(2) + P.STACK_GLOBAL,
    "old instance": P.MARK + P.INST + b"os\nsystem\n",
    "old object": P.MARK + named("collections.OrderedDict") + P.OBJ,
    "extension": P.EXT1 + b"\x01",
    "text identifier": P.PERSID + b"storage\n",
    "identifier of no storage": encode(("module", "x")) + P.BINPERSID,
    "storage of a class": encode(("storage", "x", "0", "cpu", 4)) + P.BINPERSID,
    "tensor of no storage": encode(Call("torch._utils._rebuild_tensor_v2", 1, 0, (1,), (1,), 0, 0)),
    "parameter of no tensor": encode(Call("torch._utils._rebuild_parameter", "x", 0, 0)),
    "missing storage": state(tensor(key="17")),
    "storage outside of the archive": state(tensor(key="../../x")),
    "unknown storage type": state(tensor(kind="EvilStorage")),
    "tensor beyond its storage": state(tensor(size=(2, 3), stride=(3, 1))),
    "offset beyond its storage": state(tensor(offset=1)),
    "negative stride": state(tensor(stride=(-2, 1))),
    "negative size": state(tensor(size=(-1, 2))),
    "oversize by stride 0": state(tensor(size=(1 << 30, 1 << 30), stride=(0, 0))),
    "shape of text": state(tensor(size="22", stride="21")),
    "place of the memo that is empty": P.BINGET + b"\x07",
    "pop from nothing": P.POP + P.POP,
    "mark that is missing": P.TUPLE,
    "items for a number": encode(1) + encode("a") + encode("b") + P.SETITEM,
    "odd items": P.EMPTY_DICT + P.MARK + encode("a") + P.SETITEMS,
    "newest protocol": P.PROTO + b"\x09" + P.NONE,
    "nothing": b"",
}


@pytest.mark.parametrize("program_of", STRANGE)
def test_strange_programs_are_refused(program_of):
    """A program that no checkpoint needs is refused in one line."""
    refused(archive(program(STRANGE[program_of])))


def test_huge_numbers_cost_nothing():
    """A memo of four billion places, a text longer than the file and a pickle that is too long are refused."""
    with pytest.raises(TooCostly, match="place 4,294,967,295 of its memo, wanted at most 1,000,000"):
        read_pickle(program(P.NONE + put(0xFFFFFFFF)), {})
    for opcode in (P.BINUNICODE + b"\xff" * 4, P.BINBYTES8 + b"\xff" * 8, P.BYTEARRAY8 + b"\xff" * 8):
        with pytest.raises(DamagedFile, match="malformed pickle"):
            read_pickle(program(opcode), {})
    with pytest.raises(TooCostly, match="a pickle of 70,000,000 bytes, wanted at most 16,777,216"):
        read_pickle(bytes(70_000_000), {})


def test_depth_costs_nothing():
    """Tuples 100,000 deep are read; as a key, whose hash would take a stack, the name of their type stands for them."""
    deep = P.EMPTY_TUPLE + P.TUPLE1 * 100_000
    assert len(read_pickle(program(deep), {})) == 1
    assert read_pickle(program(P.EMPTY_DICT + deep + P.NONE + P.SETITEM), {}) == {"(tuple)": None}


@pytest.mark.parametrize(
    ("key", "wanted"),
    [(encode("a"), "a"), (encode(3), "3"), (P.NEWTRUE, "True"), (P.NONE, "None"), (P.EMPTY_LIST, "(list)")],
)
def test_keys_are_text(key, wanted):
    """A number as a key becomes its digits, since a file can make numbers collide in a dictionary, but not text."""
    assert read_pickle(program(P.EMPTY_DICT + key + P.NONE + P.SETITEM), {}) == {wanted: None}


def test_the_budget_is_spent_over_all_pickles_of_a_file():
    """Two pickles of 300,000 opcodes in one file exceed its budget of 500,000."""
    start = legacy(P.NONE * 300_000 + P.EMPTY_DICT)[: -len(program(encode([])))]
    message = refused(start + program(P.NONE * 300_000 + encode([])))
    assert "costs more to read than a checkpoint may (more than 500,000 opcodes)" in message


def test_a_module_that_holds_itself_is_refused():
    """A module that is its own member would be nested without end."""
    module = named("torch.nn.modules.container.Sequential") + P.EMPTY_TUPLE + P.NEWOBJ + put(1)
    cycle = module + P.EMPTY_DICT + encode("self") + get(1) + P.SETITEM + P.BUILD
    assert "nested more than" in refused(archive(program(cycle)))


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_storages_are_refused(kind):
    """A compressed storage could make a small file a petabyte of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", program(state(tensor())))
        made.writestr("archive/data/0", bytes(16), kind)
    assert "compressed" in refused(buffer.getvalue())


@pytest.fixture(scope="module")
def whole():
    buffer = io.BytesIO()
    torch.save(tiny.soup_state(1), buffer)
    return buffer.getvalue()


def test_truncated_at_every_kilobyte(whole):
    """A file that ends anywhere is refused in one line."""
    for length in range(0, len(whole) - 1, 1024):
        refused(whole[:length])


def test_a_pickle_truncated_at_every_opcode(whole):
    """A pickle that ends at any opcode is refused although the archive around it is whole."""
    with zipfile.ZipFile(io.BytesIO(whole)) as made:
        pickled = made.read("archive/data.pkl")
    for _, _, position in list(pickletools.genops(pickled))[::9]:
        refused(archive(pickled[:position]))


@settings(UNTIMED, max_examples=300)
@given(data=st.data())
def test_a_pickle_with_bytes_changed(data):
    """Any changed bytes give tensors within the storage, or one clear error."""
    pickled = bytearray(program(state(tensor())))
    for _ in range(data.draw(st.integers(1, 4))):
        pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CheckpointError):
        found = read_tensors(io.BytesIO(archive(bytes(pickled))), "there")
        assert all(tensor.numel() <= 16 for tensor in found.values())


_LEAVES = st.sampled_from(
    [P.NONE, P.NEWTRUE, P.EMPTY_LIST, P.EMPTY_DICT, P.EMPTY_TUPLE, P.MARK, P.DUP, P.POP, encode("visual.a"), encode(1)]
)
_PLACES = st.integers(0, 5)
_STEPS = st.one_of(
    _LEAVES,
    st.sampled_from(
        [tensor(), storage(), named("torch.nn.Module"), named("collections.OrderedDict"), named("torch.Size")]
    ),
    st.sampled_from(
        [P.TUPLE, P.TUPLE1, P.TUPLE2, P.LIST, P.DICT, P.APPEND, P.APPENDS, P.SETITEM, P.SETITEMS, P.POP_MARK]
    ),
    st.sampled_from([P.REDUCE, P.NEWOBJ, P.BUILD, P.BINPERSID, P.STACK_GLOBAL]),
    st.builds(put, _PLACES),
    st.builds(get, _PLACES),
)


@settings(UNTIMED, max_examples=400)
@given(st.lists(_STEPS, max_size=40), st.sampled_from([archive, legacy]))
def test_programs_of_a_grammar(steps, wrap):
    """Opcodes in any order give tensors within the storage, or one clear error."""
    body = b"".join(steps)
    content = archive(program(body)) if wrap is archive else legacy(body, ["0"], struct.pack("<q", 4) + bytes(16))
    try:
        found = read_tensors(io.BytesIO(content), "there")
    except CheckpointError as error:
        assert str(error).isprintable()  # noqa: PT017  either outcome is right
    else:
        assert all(tensor.numel() <= 4 for tensor in found.values())


@settings(UNTIMED, max_examples=200)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    """Random bytes are refused as a pickle, behind a zip file's start and as a safetensors header."""
    for pickled in (noise, program(noise)):
        with contextlib.suppress(UnsafePickle, DamagedFile):
            read_pickle(pickled, {})
    refused(b"PK\x03\x04" + noise)
    refused(struct.pack("<Q", len(noise)) + b"{" + noise)
