"""Methods by name: which there are, which of them an experiment stands for, and why one may make no sense in it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

ALPHAS = tuple(f"{step / 10:.2f}" for step in range(11))
SCALES = ALPHAS[1:]
_SCALE = re.compile(r"\d\.\d\d$")


class Setup(NamedTuple):
    """What of an experiment decides which methods there are."""

    models: tuple[str, ...]
    """The base first."""
    held_out: str | None
    """The labelled data set that a method may choose by."""


def _always(_setup: Setup) -> str | None:
    return None


@dataclass(frozen=True)
class Family:
    """Methods that go by one name, with members behind a slash.

    Attributes:
        members: all of them, of an experiment; the family's own name where it has no members.
        refused: why it makes no sense for an experiment; None: it does.
        scaled: whether any scale with two decimals is a member too.
    """

    members: Callable[[Setup], Sequence[str]]
    refused: Callable[[Setup], str | None] = _always
    scaled: bool = False


def _named(*names: str) -> Callable[[Setup], Sequence[str]]:
    return lambda _setup: names


def _needs_several(setup: Setup) -> str | None:
    count = len(setup.models) - 1
    return None if count > 1 else f"needs at least two models beside the base, there is {count}"


def _needs_two_models(setup: Setup) -> str | None:
    count = len(setup.models)
    return None if count == 2 else f"draws one number a sample, so it needs two models, there are {count}"


def _needs_held_out(setup: Setup) -> str | None:
    return None if setup.held_out else "chooses by accuracy: name a labelled data set as merge.held_out"


FAMILIES = {
    "individual": Family(lambda setup: [f"individual/{name}" for name in setup.models]),
    "wise-ft": Family(_named(*(f"wise-ft/{alpha}" for alpha in ALPHAS))),
    "weight-average": Family(_named("weight-average")),
    "task-arithmetic": Family(_named(*(f"task-arithmetic/{scale}" for scale in SCALES)), scaled=True),
    "ties": Family(_named(*(f"ties/{scale}" for scale in SCALES)), scaled=True),
    "tsv-merge": Family(_named("tsv-merge/1.00"), scaled=True),
    "iso-c": Family(_named("iso-c/1.00"), scaled=True),
    "uniform-soup": Family(_named("uniform-soup")),
    "greedy-soup": Family(_named("greedy-soup"), _needs_held_out),
    "model-stock": Family(_named("model-stock"), _needs_several),
    "adamerging": Family(
        _named(*(f"adamerging/{part}-wise{plus}" for plus in ("", "++") for part in ("task", "layer")))
    ),
    "output-ensemble": Family(_named("output-ensemble/uniform", "output-ensemble/dynamic")),
    "classifier-selection": Family(_named("classifier-selection")),
    "random": Family(_named("random/uniform", "random/gaussian-0.5", "random/gaussian-0.8"), _needs_two_models),
    "oracle": Family(_named("oracle/samples")),
}

LOOKING = ("adamerging", "greedy-soup")
"""Families that make their model by a look at data sets: at all of them, or at the held-out one."""


def matching(name: str, setup: Setup) -> list[str]:
    """Return the methods that a name stands for: itself, or all of its family; none if there is no such method."""
    family = FAMILIES.get(name.split("/", 1)[0])
    if family is None:
        return []
    if "/" not in name:
        return list(family.members(setup))
    if family.scaled and _SCALE.match(name.split("/", 1)[1]):
        return [name]
    return [member for member in family.members(setup) if member == name]


def fault(name: str, setup: Setup) -> str | None:
    """Return what is wrong with asking for a method: there is none of that name, or it makes no sense here."""
    family = FAMILIES.get(name.split("/", 1)[0])
    if not matching(name, setup) or family is None:
        return f"no method {name!r}; {existing(name, setup)}"
    reason = None if name == "random/uniform" else family.refused(setup)
    return f"{name} {reason}" if reason else None


def existing(name: str, setup: Setup) -> str:
    """Return, in words, which methods there are, for one that is not: all families, and the members of its own."""
    family = name.split("/", 1)[0]
    known = matching(family, setup)
    members = f"; {family} of this experiment: {', '.join(known)}" if known else ""
    return f"there are {', '.join(FAMILIES)}{members}"
