"""Classes and functions that pickles name: never looked up; a table says which may be called, and what that does."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tasks.models.files.budget import NAME, Budget
from tasks.models.files.damage import DamagedFile, TooCostly, UnsafePickle

# of Python's library, what harmless settings beside a model are made of; they come out inert
_HARMLESS = frozenset(
    {
        "argparse.Namespace", "collections.Counter", "datetime.date", "datetime.datetime", "datetime.timedelta",
        "functools.partial", "pathlib.Path", "pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib.WindowsPath",
    }
)  # fmt: skip
# of other libraries, what may be called in a pickle: it comes out inert, nothing is called
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
    """What is done for a call that a pickle asks for; it has to distrust its arguments."""

    def __call__(self, budget: Budget, /, *arguments: Any) -> Any:  # noqa: ANN401  whatever the pickle holds
        """Return what the call makes."""


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function; never looked up."""

    name: str


@dataclass(eq=False, slots=True)
class Inert:
    """What was stored of an object: its class's name, the arguments it was made with, its state, its items."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


def named(module: Any, name: Any) -> Global:  # noqa: ANN401  whatever the pickle holds
    """Return a global of a pickle; raise `UnsafePickle` where no checkpoint needs it."""
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

    All keys are text: Python hashes text with a secret, so that a file cannot make keys collide, and a number can be
    made to. Tuples and objects, whose text can be exponentially longer than their pickle, become the name of their
    type.
    """
    if isinstance(key, str):
        if len(key) > NAME:
            raise TooCostly(f"a key of {len(key):,} characters, wanted at most {NAME}")
        return key
    return str(key) if isinstance(key, int | float | None) else f"({type(key).__name__})"


def _ordered(budget: Budget, items: Any = (), *_: Any) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(items, list | tuple):
        raise DamagedFile("a dictionary of something that is not a list of pairs")
    budget.spend("copied items and bytes", len(items))
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in items):
        raise DamagedFile("a dictionary of something that is not a list of pairs")
    return {key_of(key): value for key, value in items}


def _listed(budget: Budget, items: Any = (), *_: Any) -> list[Any]:  # noqa: ANN401
    if not isinstance(items, list | tuple):
        raise DamagedFile("a container of something that is not a list")
    budget.spend("copied items and bytes", len(items))
    return list(items)


def _encoded(budget: Budget, text: Any, *_: Any) -> bytes:  # noqa: ANN401
    if not isinstance(text, str):
        raise DamagedFile("an encoding of something that is not text")
    budget.spend("copied items and bytes", len(text))
    return text.encode("latin1")


PYTHON: Mapping[str, Function] = {
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": lambda _budget, *_: {},
    "_codecs.encode": _encoded,
    **{f"{module}.{name}": _listed for module in ("builtins", "__builtin__")
       for name in ("set", "frozenset", "list", "tuple")},
}  # fmt: skip
"""What of Python's library may be called: containers, of what the pickle holds anyway."""

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
"""Opcodes that put one value on the stack: their argument, or what is made here."""
