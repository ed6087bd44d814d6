"""Names of classes and functions in pickles. They are never looked up; tables say what a call of each one does."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tasks.models.files.budget import NAME, Budget
from tasks.models.files.damage import DamagedFile, TooCostly, UnsafePickle

# of Python's library: harmless settings beside a model consist of these; a call of one makes an inert object
_HARMLESS = frozenset(
    {
        "argparse.Namespace", "collections.Counter", "datetime.date", "datetime.datetime", "datetime.timedelta",
        "functools.partial", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath",
    }
)  # fmt: skip
# these and the following ones of other libraries may be called in a pickle; a call makes an inert object
CALLABLE = _HARMLESS | {
    "torch.device", "torch.Size", "torchvision.transforms.functional.InterpolationMode", "numpy.dtype",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct", "torch.distributed._shard.checkpoint.metadata.Metadata",
}  # fmt: skip
_ALLOWED = frozenset(
    {
        "collections.OrderedDict", "collections.defaultdict", "_codecs.encode",
        *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in
          ("set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "bytes", "slice", "object")),
    }
)  # fmt: skip


class Function(Protocol):
    """Stands in for a function that a pickle calls. It has to distrust its arguments."""

    def __call__(self, budget: Budget, /, *arguments: Any) -> Any:  # noqa: ANN401  whatever the pickle holds
        """Return the object that the call makes."""


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function, which is never looked up."""

    name: str


@dataclass(eq=False, slots=True)
class Inert:
    """An object as it was stored: its class's name, the arguments it was made with, its state and its items."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


def named(module: Any, name: Any) -> Global:  # noqa: ANN401  whatever the pickle holds
    """Return a global of a pickle.

    Raises:
        UnsafePickle: the name is one of Python's own library that no checkpoint needs.
        DamagedFile: the name is not text.
        TooCostly: the name is longer than any class's.
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise DamagedFile("a class's name that is not text")
    if len(module) + len(name) > NAME:
        raise TooCostly(f"a class's name of more than {NAME} characters")
    full = f"{module}.{name}"
    top = full.split(".", 1)[0]
    is_python = top in sys.stdlib_module_names or top in {"__builtin__", "copy_reg"}
    if is_python and top != "__main__" and full not in _ALLOWED and full not in _HARMLESS:
        raise UnsafePickle(full)
    return Global(full)


def key_of(key: Any) -> str:  # noqa: ANN401  whatever the pickle holds
    """Return the text that stands for a dictionary's key.

    All keys become text, because Python hashes text with a secret, so that a file cannot make keys collide, as it can
    with numbers. The text of tuples and objects can be exponentially longer than their pickle: the name of their type
    stands for them.
    """
    if isinstance(key, str):
        if len(key) > NAME:
            raise TooCostly(f"a key of {len(key):,} characters, wanted at most {NAME}")
        return key
    return str(key) if isinstance(key, int | float | None) else f"({type(key).__name__})"


def _ordered(budget: Budget, items: Any = (), *_: Any) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(items, list | tuple):
        raise DamagedFile("a dictionary of something other than a list of pairs")
    budget.spend("copied items and bytes", len(items))
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in items):
        raise DamagedFile("a dictionary of something other than a list of pairs")
    return {key_of(key): value for key, value in items}


def _listed(budget: Budget, items: Any = (), *_: Any) -> list[Any]:  # noqa: ANN401
    if not isinstance(items, list | tuple):
        raise DamagedFile("a container of something other than a list")
    budget.spend("copied items and bytes", len(items))
    return list(items)


def _encoded(budget: Budget, text: Any, *_: Any) -> bytes:  # noqa: ANN401
    if not isinstance(text, str):
        raise DamagedFile("an encoding of something other than text")
    budget.spend("copied items and bytes", len(text))
    return text.encode("latin1")


PYTHON: Mapping[str, Function] = {
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": lambda _budget, *_: {},
    "_codecs.encode": _encoded,
    **{f"{module}.{name}": _listed for module in ("builtins", "__builtin__")
       for name in ("set", "frozenset", "list", "tuple")},
}  # fmt: skip
"""The functions of Python's library that a pickle may call: they make containers of values that the pickle holds."""

CONSTANTS: dict[str, Callable[[], Any]] = {
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
"""Opcodes that push one value on the stack: their argument, or, without one, the value that is made here."""
