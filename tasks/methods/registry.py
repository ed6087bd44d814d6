"""The methods, in the order in which documentation lists them, and the look-up of methods by name."""

from importlib import import_module
from typing import NamedTuple

from tasks.methods.method import Context, Method, Setup
from tasks.references.results import Cell

_FILES = (
    "individual",
    "wise_ft",
    "weight_average",
    "task_arithmetic",
    "ties",
    "tsv_merge",
    "iso_c",
    "uniform_soup",
    "greedy_soup",
    "model_stock",
    "adamerging",
    "output_ensemble",
    "classifier_selection",
    "random_coefficients",
    "oracle",
    "dawin",
)

METHODS: dict[str, Method] = {
    method.name: method for method in (import_module(f"tasks.methods.{file}").METHOD for file in _FILES)
}
"""Every family by name."""


class Member(NamedTuple):
    """A member of a family: a method."""

    method: Method
    member: str

    @property
    def name(self) -> str:
        """The method's name in results."""
        return self.method.full_name(self.member)

    def cell(self, context: Context, suffix: str = "") -> Cell:
        """Return the method's cell on one data set."""
        return self.method.cell(self.member, context, suffix)


def method_of(name: str) -> Method:
    """Return the family of a method's name in results."""
    return METHODS[name.partition("/")[0]]


def matching(name: str, setup: Setup) -> list[Member]:
    """Return the methods that a name stands for: one member, or all of a family; empty if none exists."""
    family, slash, member = name.partition("/")
    method = METHODS.get(family)
    if method is None or (slash and not member):
        return []
    chosen = [member] if slash else list(method.members(setup))
    return [Member(method, one) for one in chosen if not slash or method.has(one, setup)]


def fault(name: str, setup: Setup) -> str | None:
    """Return why `baselines` cannot hold a name: no such method, or one that makes no sense; None: it can."""
    found = matching(name, setup)
    if not found:
        return f"no method {name!r}; {existing(name, setup)}"
    if not found[0].method.is_baseline:
        return f"{name} is no baseline; merge.granularity asks for it"
    reasons = [reason for method, member in found if (reason := method.refusal(member, setup))]
    if found[0].method.needs_logits and setup.logits == "none":
        reasons.append("needs the models' logits, which logits: none does not keep; set logits: fp32, or leave it out")
    return f"{name} {reasons[0]}" if reasons else None


def existing(name: str, setup: Setup) -> str:
    """Return, in words, the families that exist and the members of a name's own family."""
    members = [member.name for member in matching(name.partition("/")[0], setup)]
    own = f"; {name.partition('/')[0]} of this experiment: {', '.join(members)}" if members else ""
    return f"known: {', '.join(family for family, method in METHODS.items() if method.is_baseline)}{own}"
