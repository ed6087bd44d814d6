"""Pickles read without pickle: a machine of our own for its opcodes, which has no way to call anything.

Tensors, numbers, text and containers come out as what they are. Objects of unknown classes come out as `Inert`
containers of what was stored in them. The few functions that checkpoints name (torch's for building a tensor) are
entries of a table here; any other function that a pickle asks to be called is an error, and so is any mention of
Python's own library, which no checkpoint needs and every attack does.
"""

import pickletools
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_LARGEST = 64 << 20  # bytes of a pickle: that of a CLIP with its optimizer is below one
_KEYS = (str, int, float, bool, type(None), bytes)

# of Python's library, what harmless settings beside a model are made of; they come out inert
_HARMLESS = frozenset(
    {
        "argparse.Namespace", "collections.Counter", "datetime.date", "datetime.datetime", "datetime.timedelta",
        "functools.partial", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath",
    }
)  # fmt: skip
# of other libraries, what may be called in a pickle: it comes out inert, nothing is called
_CALLABLE = _HARMLESS | {
    "torch.device", "torch.Size", "torchvision.transforms.functional.InterpolationMode", "numpy.dtype",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct", "torch.distributed._shard.checkpoint.metadata.Metadata",
}  # fmt: skip


class UnsafePickle(ValueError):
    """A pickle asks for something to be called or imported that no checkpoint needs."""


class DamagedFile(ValueError):
    """A pickle ends early, or is none."""


@dataclass(frozen=True)
class Global:
    """The name of a class or function; never looked up."""

    name: str


@dataclass(eq=False)
class Inert:
    """What was stored of an object: its class's name, the arguments it was made with, its state, its items."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


def read_pickle(
    pickled: bytes, functions: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any] | None = None
) -> Any:  # noqa: ANN401  whatever it holds
    """Return what a pickle holds.

    Args:
        pickled: the whole pickle.
        functions: what may really be called, by qualified name; these have to distrust their arguments.
        persistent: from a persistent identifier (torch's storages) to what it stands for.

    Raises:
        UnsafePickle: it asks for a call or an import that is not among what checkpoints need.
        DamagedFile: it is cut short, malformed or larger than any checkpoint's.
    """
    if len(pickled) > _LARGEST:
        raise DamagedFile(f"a pickle of {len(pickled)} bytes, wanted at most {_LARGEST}")
    machine = _Machine({**PYTHON, **functions}, persistent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in texts; what is wrong raises
            machine.run(pickled)
    except (UnsafePickle, DamagedFile):
        raise
    except RecursionError as error:
        raise DamagedFile("nested too deeply") from error
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, AssertionError) as error:
        raise DamagedFile(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    return machine.result()


class _Machine:
    def __init__(self, functions: Mapping[str, Callable[..., Any]], persistent: Any) -> None:  # noqa: ANN401
        self._functions, self._persistent = functions, persistent
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stack before each mark
        self._memo: dict[int, Any] = {}
        self._stopped = False

    def run(self, pickled: bytes) -> None:
        for opcode, argument, _ in pickletools.genops(pickled):
            self.step(opcode.name, argument)

    def result(self) -> Any:  # noqa: ANN401
        if not self._stopped or not self._stack:
            raise DamagedFile("ends early")
        return self._stack[-1]

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]() if argument is None else argument)
        elif name in _MEMO_WRITE:
            self._memo[len(self._memo) if argument is None else int(argument)] = self._stack[-1]
        elif name in _MEMO_READ:
            self._stack.append(self._memo[int(argument)])
        elif step := getattr(self, f"_{name.lower()}", None):
            step(*(() if argument is None else (argument,)))
        else:
            raise UnsafePickle(f"opcode {name}")

    def _marked(self) -> list[Any]:
        """Return what was put on the stack since the last mark, and go back to before it."""
        items, self._stack = self._stack, self._below.pop()
        return items

    def _proto(self, version: int) -> None:
        if version > 5:
            raise DamagedFile(f"protocol {version}, wanted at most 5")

    def _frame(self, _size: int) -> None:
        pass

    def _stop(self) -> None:
        self._stopped = True

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _pop(self) -> None:
        self._stack.pop()

    def _pop_mark(self) -> None:
        self._marked()

    def _dup(self) -> None:
        self._stack.append(self._stack[-1])

    def _list(self) -> None:
        items = self._marked()
        self._stack.append(items)

    def _tuple(self) -> None:
        items = self._marked()
        self._stack.append(tuple(items))

    def _tuple1(self) -> None:
        self._stack[-1:] = [tuple(self._stack[-1:])]

    def _tuple2(self) -> None:
        self._stack[-2:] = [tuple(self._stack[-2:])]

    def _tuple3(self) -> None:
        self._stack[-3:] = [tuple(self._stack[-3:])]

    def _dict(self) -> None:
        items = self._marked()
        made: dict[Any, Any] = {}
        self._fill(made, items)
        self._stack.append(made)

    _frozenset = _list  # its items might not be hashable, or be slow to hash

    def _append(self) -> None:
        item = self._stack.pop()
        _items(self._stack[-1]).append(item)

    def _appends(self) -> None:
        items = self._marked()
        _items(self._stack[-1]).extend(items)

    _additems = _appends

    def _setitem(self) -> None:
        pair = self._stack[-2:]
        del self._stack[-2:]
        self._fill(self._stack[-1], pair)

    def _setitems(self) -> None:
        items = self._marked()
        self._fill(self._stack[-1], items)

    def _fill(self, target: Any, items: list[Any]) -> None:  # noqa: ANN401
        if isinstance(target, Inert):
            target = target.state
        if not isinstance(target, dict) or len(items) % 2:
            raise DamagedFile("items for something that holds none")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key if isinstance(key, _KEYS) else repr(type(key))] = value

    def _global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self._stack.append(_named(f"{module}.{name}"))

    def _stack_global(self) -> None:
        module, name = self._stack[-2:]
        if not isinstance(module, str) or not isinstance(name, str):
            raise DamagedFile("a name that is not text")
        self._stack[-2:] = [_named(f"{module}.{name}")]

    def _reduce(self) -> None:
        function, arguments = self._stack[-2:]
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise UnsafePickle("a call of something that is no function")
        if function.name in self._functions:
            made = self._functions[function.name](*arguments)
        elif function.name in _CALLABLE:
            made = Inert(function.name, arguments)
        else:
            raise UnsafePickle(function.name)
        self._stack[-2:] = [made]

    def _newobj(self) -> None:
        kind, arguments = self._stack[-2:]
        if not isinstance(kind, Global) or not isinstance(arguments, tuple):
            raise UnsafePickle("an object of something that is no class")
        self._stack[-2:] = [Inert(kind.name, arguments)]

    def _newobj_ex(self) -> None:
        self._stack.pop()  # keyword arguments
        self._newobj()

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, Inert):
            for part in state if isinstance(state, tuple) else (state,):
                if isinstance(part, dict):
                    target.state.update({str(name): value for name, value in part.items()})

    def _binpersid(self) -> None:
        if self._persistent is None:
            raise UnsafePickle("a reference to something outside")
        self._stack[-1] = self._persistent(self._stack[-1])


def _items(target: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(target, Inert):
        return target.items
    if not isinstance(target, list):
        raise DamagedFile("items for something that holds none")
    return target


def _named(name: str) -> Global:
    top = name.split(".", 1)[0]
    is_python = top in sys.stdlib_module_names or top in {"__builtin__", "copy_reg", "__main__"}
    if is_python and top != "__main__" and name not in _ALLOWED and name not in _HARMLESS:
        raise UnsafePickle(name)
    return Global(name)


_ALLOWED = frozenset(
    {
        "collections.OrderedDict", "collections.defaultdict", "_codecs.encode",
        *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in
          ("set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "bytes", "slice", "object")),
    }
)  # fmt: skip
PYTHON: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": lambda items=(): {k: v for k, v in items if isinstance(k, _KEYS)},
    "collections.defaultdict": lambda *_: {},
    "_codecs.encode": lambda text, _encoding: text.encode("latin1"),
    **{f"{module}.{name}": lambda items=(): list(items) for module in ("builtins", "__builtin__")
       for name in ("set", "frozenset", "list", "tuple")},
}  # fmt: skip
"""What of Python's library may really be called: containers, of what the pickle holds anyway."""

_CONSTANTS: dict[str, Callable[[], Any]] = {
    **dict.fromkeys(
        (
            "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
            "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
            "BINBYTES8", "BYTEARRAY8", "NONE",
        ),
        lambda: None,
    ),
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}  # fmt: skip
_MEMO_WRITE = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_MEMO_READ = frozenset({"GET", "BINGET", "LONG_BINGET"})
