"""The names in published numbers: the rows of results that they stand beside exist, and each has one number at most."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from flows.errors import Fault
from tasks.errors import did_you_mean
from tasks.methods.dawin import METHOD as DAWIN
from tasks.methods.method import Setup
from tasks.methods.registry import matching
from tasks.references.results import ALL, is_mean, mean_name

if TYPE_CHECKING:
    from flows.experiment.names import Known
    from flows.experiment.settings import Experiment

_MOST = 12  # names that a message lists


def result_methods(experiment: "Experiment", setup: Setup) -> list[str]:
    """Return the names of all methods of an experiment, as results have them.

    Args:
        experiment: the settings.
        setup: the experiment's choices.
    """
    merge = experiment.merge
    scales = merge.scale if merge.kind == "task-vectors" else ()
    suffixes = [f"/scale-{scale:.2f}" for scale in scales] if len(scales) > 1 else [""]
    members = list(dict.fromkeys(member for name in experiment.baselines for member in matching(name, setup)))
    names = [member.name + suffix for member in members for suffix in (suffixes if member.method.per_sample else [""])]
    own = [DAWIN.full_name(member) for member in DAWIN.members(setup)] if merge.granularity else []
    return [*names, *(name + suffix for name in own for suffix in suffixes)]


def faults_of_published(experiment: "Experiment", known: "Known") -> list[Fault]:
    """Return the faults of published numbers that concern other settings, or one another.

    Args:
        experiment: the settings; of a faulty file, those that are valid.
        known: the names of models and data sets.
    """
    if not experiment.published:
        return []
    faults = list[Fault]()
    methods = _methods(experiment, known)
    datasets = _datasets(experiment, known)
    for position, number in enumerate(experiment.published):
        for setting, name, names in (("method", number.method, methods), ("dataset", number.dataset, datasets)):
            if name and names is not None and name not in names:
                text = f"published.{position}.{setting}: {_unknown(setting, name, names)}"
                faults.append(Fault(text, ("published", position, setting)))
    rows = [(number.method, number.dataset, number.metric) for number in experiment.published]
    for row, count in Counter(rows).items():
        if count > 1 and row[0] and row[1]:
            again = len(rows) - 1 - rows[::-1].index(row)
            text = f"published: {count} numbers for {row[0]} on {row[1]}, {row[2]}; wanted one at most"
            faults.append(Fault(text, ("published", again)))
    return faults


def _methods(experiment: "Experiment", known: "Known") -> list[str] | None:
    """Return the names of the methods; None where other faults leave them unknown."""
    if known.models is None or known.datasets is None or known.wrong:
        return None
    setup = replace(experiment.setup, models=tuple(known.models), datasets=tuple(known.datasets))
    is_known = all(matching(name, setup) for name in experiment.baselines)
    return result_methods(experiment, setup) if is_known else None


def _datasets(experiment: "Experiment", known: "Known") -> list[str] | None:
    """Return the names of data sets and of the means over them; None if data sets are faulty."""
    if known.datasets is None or len(experiment.datasets) < len(known.datasets):
        return None
    groups = list(dict.fromkeys(dataset.scored_group for dataset in experiment.datasets))
    return [*known.datasets, *map(mean_name, [*groups, ALL] if len(groups) > 1 else groups)]


def _unknown(setting: str, name: str, names: Sequence[str]) -> str:
    """Return the fault of a name that does not exist."""
    if name == mean_name(ALL) and (only := next(filter(is_mean, names), None)):
        return f"no mean over several groups, since the experiment has one; it is {only}"
    some = ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
    kind = "method" if setting == "method" else "data set"
    return f"this experiment has no {kind} {name!r}{did_you_mean(name, names) or f'; known: {some}'}"
