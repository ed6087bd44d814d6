"""Pickles read without Python's `pickle`, by an interpreter of their opcodes that cannot import or call anything.

Tensors, numbers, text and containers come out as such, dictionaries with keys of text. Objects of unknown classes come
out as `Inert` containers of their stored state. A table holds the few functions that checkpoints name (torch's, which
build tensors). A call of any other function is an error, and so is any name of Python's own library outside of a short
list, since no checkpoint needs one and every attack does. All of this happens within a budget.
"""

import io
import pickletools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from tasks.models.files.budget import INTEGER, MARKS, PICKLE_BYTES, Budget
from tasks.models.files.damage import DamagedFile, TooCostly, UnsafePickle
from tasks.models.files.pickle_names import CALLABLE, CONSTANTS, PYTHON, Function, Global, Inert, key_of, named

_ARGUMENTS = 16  # of a call of one of the table's functions; those of torch take at most 8
_PLACES = 1_000_000  # in a pickle's memo; an opcode fills one
_MEMO_WRITE = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_MEMO_READ = frozenset({"GET", "BINGET", "LONG_BINGET"})


def read_pickle(
    pickled: bytes | BinaryIO,
    functions: Mapping[str, Function],
    persistent: Callable[[Any], Any] | None = None,
    budget: Budget | None = None,
) -> Any:  # noqa: ANN401  whatever it holds
    """Return the object that a pickle holds.

    Args:
        pickled: the whole pickle; or a buffer in memory at the pickle's start, which is left at the pickle's end.
        functions: the functions that the pickle may call, by qualified name. They have to distrust their arguments.
        persistent: from a persistent identifier (torch's of a storage) to the object that it stands for.
        budget: shared by all pickles of one file; None: a new one.

    Raises:
        UnsafePickle: the pickle asks for a call or an import that no checkpoint needs.
        DamagedFile: the pickle is cut short or malformed.
        TooCostly: the pickle costs more than any checkpoint's.
    """
    if isinstance(pickled, bytes):
        if len(pickled) > PICKLE_BYTES:
            raise TooCostly(f"a pickle of {len(pickled):,} bytes, wanted at most {PICKLE_BYTES:,}")
        pickled = io.BytesIO(pickled)
    machine = _Machine({**PYTHON, **functions}, persistent, budget or Budget())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in texts; faults raise errors
            return machine.run(pickled)
    except (UnsafePickle, DamagedFile):
        raise
    except RecursionError as error:
        raise DamagedFile("nested too deeply") from error
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, AssertionError) as error:
        raise DamagedFile(f"malformed pickle: {str(error)[:200] or type(error).__name__}") from error


class _Machine:
    """Interprets opcodes: `step` finds the method of an opcode that the tables do not cover by its name."""

    def __init__(self, functions: Mapping[str, Function], persistent: Any, budget: Budget) -> None:  # noqa: ANN401
        self._functions, self._persistent, self._budget = functions, persistent, budget
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stack before each mark
        self._memo: list[Any] = []  # a list, since a pickle could choose places that collide in a dictionary

    def run(self, pickled: BinaryIO) -> Any:  # noqa: ANN401
        for opcode, argument, _ in pickletools.genops(pickled):
            self._budget.spend("opcodes")
            if opcode.name == "STOP":
                break
            self.step(opcode.name, argument)
        else:
            raise DamagedFile("ends early")
        if not self._stack:
            raise DamagedFile("a pickle of nothing")
        return self._stack[-1]

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401
        if name in CONSTANTS:
            if type(argument) is int and argument.bit_length() > INTEGER:
                raise TooCostly(f"an integer of {argument.bit_length():,} bits, wanted at most {INTEGER}")
            self._stack.append(CONSTANTS[name]() if argument is None else argument)
        elif name in _MEMO_WRITE:
            self._remember(len(self._memo) if argument is None else int(argument))
        elif name in _MEMO_READ:
            self._stack.append(self._memo[_place(argument)])
        elif step := getattr(self, f"_{name.lower()}", None):
            step(*(() if argument is None else (argument,)))
        else:
            raise UnsafePickle(f"opcode {name}")

    def _remember(self, place: int) -> None:
        missing = _place(place) + 1 - len(self._memo)
        if missing > 0:
            self._memo.extend([None] * missing)
        self._memo[place] = self._stack[-1]

    def _marked(self) -> list[Any]:
        """Return the items pushed since the last mark; restore the stack from before the mark."""
        items, self._stack = self._stack, self._below.pop()
        return items

    def _proto(self, version: int) -> None:
        if version > 5:
            raise DamagedFile(f"pickle protocol {version}, wanted at most 5")

    def _frame(self, _size: int) -> None:
        pass

    def _mark(self) -> None:
        if len(self._below) >= MARKS:
            raise TooCostly(f"more than {MARKS:,} containers within each other")
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
        made: dict[str, Any] = {}
        _fill(made, items)
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
        _fill(self._stack[-1], pair)

    def _setitems(self) -> None:
        items = self._marked()
        _fill(self._stack[-1], items)

    def _global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self._stack.append(named(module, name))

    def _stack_global(self) -> None:
        module, name = self._stack[-2:]
        self._stack[-2:] = [named(module, name)]

    def _reduce(self) -> None:
        function, arguments = self._stack[-2:]
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise UnsafePickle("a call of something other than a function")
        if called := self._functions.get(function.name):
            if len(arguments) > _ARGUMENTS:
                raise TooCostly(f"a call with {len(arguments):,} arguments, wanted at most {_ARGUMENTS}")
            made = called(self._budget, *arguments)
        elif function.name in CALLABLE:
            made = Inert(function.name, arguments)
        else:
            raise UnsafePickle(function.name)
        self._stack[-2:] = [made]

    def _newobj(self) -> None:
        kind, arguments = self._stack[-2:]
        if not isinstance(kind, Global) or not isinstance(arguments, tuple):
            raise UnsafePickle("an object of something other than a class")
        self._stack[-2:] = [Inert(kind.name, arguments)]

    def _newobj_ex(self) -> None:
        self._stack.pop()  # keyword arguments
        self._newobj()

    def _build(self) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if not isinstance(target, Inert):
            return
        parts = state if isinstance(state, tuple) else (state,)
        self._budget.spend("copied items and bytes", len(parts))
        for part in parts:
            if isinstance(part, dict):
                self._budget.spend("copied items and bytes", len(part))
                target.state.update(part)

    def _binpersid(self) -> None:
        if self._persistent is None:
            raise UnsafePickle("a reference to something outside of the pickle")
        self._stack[-1] = self._persistent(self._stack[-1])


def _place(argument: Any) -> int:  # noqa: ANN401  a number, or its digits
    place = int(argument)
    if not 0 <= place < _PLACES:
        raise TooCostly(f"place {place:,} of its memo, wanted at most {_PLACES:,}")
    return place


def _fill(target: Any, items: list[Any]) -> None:  # noqa: ANN401
    if isinstance(target, Inert):
        target = target.state
    if not isinstance(target, dict) or len(items) % 2:
        raise DamagedFile("items for something that cannot hold any")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[key_of(key)] = value


def _items(target: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(target, Inert):
        return target.items
    if not isinstance(target, list):
        raise DamagedFile("items for something that cannot hold any")
    return target
