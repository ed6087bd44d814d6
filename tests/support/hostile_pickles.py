"""Checkpoints that attack the reader of pickles: functions that make them, with the message of their refusal."""

import pickle as P  # noqa: N812  its opcodes
import struct
import zipfile

from handmade import Call, archive, encode, get, legacy, named, program, put, state, storage, tensor

MARKER = "executed"  # the name of the file that code in a pickle would create


def _nested(levels=40):
    """A tuple of 2^levels leaves, most of them by reference."""
    return encode(("x", "x")) + (P.DUP + P.TUPLE2) * levels


def _zipped(body):
    return archive(program(body), zipfile.ZIP_DEFLATED)


def _shared_modules(levels=40):
    """Modules, each of which holds the next one twice."""
    body = b""
    for level in range(levels):
        below = tensor() if level == 0 else get(level - 1)
        members = P.EMPTY_DICT + put(1000) + encode("a") + below + P.SETITEM + encode("b")
        members += (get(level - 1) if level else P.NONE) + P.SETITEM
        group = "_modules" if level else "_parameters"
        made = named("torch.nn.Module") + P.EMPTY_TUPLE + P.NEWOBJ
        body += made + P.EMPTY_DICT + encode(group) + members + P.SETITEM + P.BUILD + put(level)
    return archive(program(body))


def _again(prepared, repeated, times):
    """A compressed pickle that repeats a few opcodes many times; the file is a hundredth of its pickle."""
    return _zipped(prepared + repeated * times + P.EMPTY_DICT)


def _shared_list(length=200_000):
    return P.EMPTY_LIST + put(0) + P.MARK + P.NONE * length + P.APPENDS


def _shared_dict(length=50_000):
    return P.EMPTY_DICT + put(0) + P.MARK + b"".join(encode(str(i)) + P.NONE for i in range(length)) + P.SETITEMS


def _colliding():
    """A dictionary whose keys are integers of one hash."""
    keys = (P.LONG1 + b"\x14" + (i * (2**61 - 1)).to_bytes(20, "little") for i in range(1, 60_000))
    return archive(program(P.EMPTY_DICT + P.MARK + b"".join(key + P.NONE for key in keys) + P.SETITEMS))


def _many_tensors(count, numbers):
    """A state dict of many tensors that look at one storage."""
    body = tensor((numbers,), (1,), numel=numbers) + put(0)
    items = b"".join(encode(f"visual.x{i}") + get(0) for i in range(count))
    return archive(program(body + P.EMPTY_DICT + P.MARK + items + P.SETITEMS), **{"data/0": bytes(4 * numbers)})


def _built_tensors(count):
    arguments = encode((storage(), 0, (2,), (1,), P.NEWFALSE, P.NONE))
    start = named("torch._utils._rebuild_tensor_v2") + put(0) + arguments + put(1)
    return _again(start, get(0) + get(1) + P.REDUCE + P.POP, count)


def _code(name="os.system"):
    return state(encode(Call(name, f"touch {MARKER}")))


def _call(name, argument):
    """A part that puts a function and its argument into the memo, and one that calls it and drops the result."""
    return argument + put(0) + named(name) + put(1), get(1) + get(0) + P.TUPLE1 + P.REDUCE + P.POP


TEXT = encode("x" * 1_000_000)
COSTLY = r"costs more to read than a checkpoint may"
PICKLES = {
    # text that would be exponentially longer than its pickle
    "a storage's key of nested tuples": (
        lambda: archive(
            program(state(encode(("storage", named("torch.FloatStorage"), _nested(), "cpu", 4)) + P.BINPERSID))
        ),
        r"a storage without a name or a size",
    ),
    "a storage's type of nested tuples": (
        lambda: archive(program(state(encode(("storage", _nested(), "0", "cpu", 4)) + P.BINPERSID))),
        r"a storage of an unknown type",
    ),
    "a state's key of nested tuples": (
        lambda: archive(program(P.EMPTY_DICT + _nested() + tensor() + P.SETITEM)),
        r"no vision tower",
    ),
    "a module's state keyed by nested tuples": (
        lambda: archive(
            program(
                named("torch.nn.Module") + P.EMPTY_TUPLE + P.NEWOBJ + P.EMPTY_DICT + _nested() + P.NONE + P.SETITEM
            ).replace(P.STOP, P.BUILD + P.STOP)
        ),
        r"got no tensor in it",
    ),
    "a shape of nested tuples": (
        lambda: archive(program(state(tensor(_nested(), _nested())))),
        r"not numbers",
    ),
    # work that grows with the square of the file, or faster
    "modules shared 2^40 times": (_shared_modules, COSTLY),
    "64 Mi opcodes": (lambda: archive(P.NONE * (64 << 20), zipfile.ZIP_DEFLATED), rf"{COSTLY} .*data.pkl"),
    "15 Mi opcodes": (lambda: _zipped(P.NONE * (15 << 20)), rf"{COSTLY} \(more than 500,000 opcodes"),
    "copies of a list": (
        lambda: _again(_shared_list(), get(0) + put(2) + b"".join(_call("builtins.list", get(0))), 5000),
        rf"{COSTLY} \(more than 4,000,000 copied items",
    ),
    "copies of a shape": (
        lambda: _again(_shared_list(), b"".join(_call("torch.Size", get(0))), 5000),
        rf"{COSTLY} \(more than 4,000,000 copied items",
    ),
    "copies of a dictionary": (
        lambda: _again(
            P.EMPTY_LIST + put(0) + P.MARK + encode(("a", 1)) * 50_000 + P.APPENDS,
            b"".join(_call("collections.OrderedDict", get(0))),
            5000,
        ),
        rf"{COSTLY} \(more than 4,000,000 copied items",
    ),
    "updates of a state": (
        lambda: _again(_shared_dict() + named("torch.nn.Module") + P.EMPTY_TUPLE + P.NEWOBJ, get(0) + P.BUILD, 100_000),
        rf"{COSTLY} \(more than 4,000,000 copied items",
    ),
    "a state of a million parts": (
        lambda: _again(
            P.MARK + P.NONE * 400_000 + P.TUPLE + put(0) + named("torch.nn.Module") + P.EMPTY_TUPLE + P.NEWOBJ,
            get(0) + P.BUILD,
            50_000,
        ),
        rf"{COSTLY} \(more than 4,000,000 copied items",
    ),
    "encoded texts": (
        lambda: _again(*_call("_codecs.encode", TEXT), 100_000),
        rf"{COSTLY} \(more than 4,000,000 copied items",
    ),
    "a call with a million arguments": (
        lambda: _again(
            P.MARK + P.NONE * 400_000 + P.TUPLE + put(0) + named("collections.OrderedDict") + put(1),
            get(1) + get(0) + P.REDUCE + P.POP,
            50_000,
        ),
        rf"{COSTLY} \(a call with 400,000 arguments",
    ),
    "keys of one hash": (_colliding, r"got no tensor in it"),
    "long keys that are equal": (
        lambda: _again(TEXT + put(0) + P.EMPTY_DICT, get(0) + P.NONE + P.SETITEM, 100_000),
        rf"{COSTLY} \(a key of 1,000,000 characters",
    ),
    "long names of classes": (
        lambda: _again(TEXT + put(0), get(0) + get(0) + P.STACK_GLOBAL, 100_000),
        rf"{COSTLY} \(a class's name",
    ),
    "a huge integer": (
        lambda: archive(program(P.LONG4 + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20))),
        rf"{COSTLY} \(an integer of",
    ),
    "a huge decimal": (lambda: archive(program(P.LONG + b"9" * 4_000_000 + b"L\n")), r"malformed pickle"),
    "a huge fraction": (lambda: archive(program(P.FLOAT + b"\xff" * 15_000_000 + b"\n")), r"malformed pickle"),
    "marks within marks": (lambda: _zipped(P.MARK * 400_000), rf"{COSTLY} \(more than 10,000 containers"),
    "tuples within tuples": (lambda: _zipped(P.EMPTY_TUPLE + P.TUPLE1 * 400_000), r"got a tuple"),
    "objects within objects": (
        lambda: _zipped(
            named("a.B")
            + put(0)
            + P.POP
            + P.EMPTY_TUPLE
            + (get(0) + P.DUP + P.POP + P.EMPTY_TUPLE + P.NEWOBJ + P.TUPLE2) * 60_000
        ),
        r"got a tuple",
    ),
    "a memo of four billion places": (
        lambda: archive(program(P.NONE + put(0xFFFFFFFF))),
        rf"{COSTLY} \(place 4,294,967,295 of its memo",
    ),
    "a text of four gigabytes": (lambda: archive(program(P.BINUNICODE + b"\xff" * 4)), r"malformed pickle"),
    "tensors without number": (lambda: _built_tensors(100_000), rf"{COSTLY} \(more than 50,000 stored tensors"),
    "names without number": (lambda: _many_tensors(20_000, 1), rf"{COSTLY} \(20,000 tensors"),
    "one storage looked at again and again": (
        lambda: _many_tensors(5000, 1 << 20),
        rf"{COSTLY} \(tensors of 20,971,520,000 bytes",
    ),
    "a tensor that repeats one number": (
        lambda: archive(program(state(tensor((1 << 30, 1 << 30), (0, 0))))),
        r"more than the 4 numbers of its storage",
    ),
    "an empty tensor of a huge shape": (
        lambda: archive(program(state(tensor((0, 1 << 30, 1 << 30), (1, 1, 1))))),
        r"more than the 4 numbers of its storage",
    ),
    # names
    "a name that a terminal obeys": (
        lambda: archive(program(P.EMPTY_DICT + encode("visual.\x1b]0;owned\x07") + tensor() + P.SETITEM)),
        r"name has control characters.*visual\.\\x1b\]0;owned\\x07",
    ),
    "a class's name that a terminal obeys": (
        lambda: archive(program(P.GLOBAL + b"os\n\x1b[2Jsystem\n")),
        r"none of it was run \(os\.\\x1b\[2Jsystem\)",
    ),
    # code
    "a call": (lambda: archive(program(_code())), r"none of it was run \(os\.system\)"),
    "a call in a file before 1.6": (lambda: legacy(_code()), r"none of it was run \(os\.system\)"),
    "a call in a bare pickle": (lambda: program(_code("posix.system")), r"none of it was run \(posix\.system\)"),
    "a call in a storage's list": (
        lambda: legacy(P.EMPTY_DICT)[: -len(program(encode([])))] + program(_code()),
        r"none of it was run \(os\.system\)",
    ),
    "an old instance": (
        lambda: archive(program(P.MARK + encode(f"touch {MARKER}") + P.INST + b"os\nsystem\n")),
        r"none of it was run \(opcode INST\)",
    ),
    "an old object": (
        lambda: archive(program(P.MARK + named("torch.device") + P.OBJ)),
        r"none of it was run \(opcode OBJ\)",
    ),
    # files before 1.6
    "a bytearray of 2.5 GiB": (
        lambda: program(encode(Call("builtins.bytearray", P.LONG1 + b"\x05" + (5 << 29).to_bytes(5, "little")))),
        r"none of it was run \(builtins\.bytearray\)",
    ),
    "storages of a terabyte before 1.6": (
        lambda: legacy(state(tensor(numel=1 << 30)), ["0"], struct.pack("<q", 1 << 30) + bytes(16)),
        r"storages of more bytes than the file has",
    ),
    "a storage that the file does not list": (
        lambda: legacy(state(tensor()), [], bytes(16)),
        r"its storages are not those that its tensors look at",
    ),
    "a storage of two sizes": (
        lambda: legacy(state(tensor()), ["0"], struct.pack("<q", 5) + bytes(20)),
        r"storage 0 has two sizes",
    ),
    "a view beyond its storage": (
        lambda: legacy(state(tensor(view=(("v", 3, 9),))), ["0"], struct.pack("<q", 4) + bytes(16)),
        r"a view beyond its storage",
    ),
    "a file before 1.6 that ends early": (
        lambda: legacy(state(tensor()), ["0"], struct.pack("<q", 4) + bytes(15)),
        r"storage 0 ends early",
    ),
    "a pickle of something else": (lambda: program(encode({"weights": [1, 2]})), r"not one that torch\.save wrote"),
    "a pickle of another number": (lambda: legacy(P.NONE, magic=7), r"not one that torch\.save wrote"),
}
"""By name: a function that makes the file's bytes, and a pattern that the message has to match."""
