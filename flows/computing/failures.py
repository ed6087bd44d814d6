"""The error of a run in which parts have failed: one line that names the data sets."""

from collections.abc import Sequence

from flows.computing.walk import Failure
from flows.errors import DatasetsFailed
from flows.planning.plan_parts import Part
from flows.workers.dispatch import ChildCancelled
from storage.errors import StoreDenied, StoreUnreachable


def ends_all(error: Exception, *, store: str) -> bool:
    """Return whether an error ends the whole run at once: somebody cancelled a child, or the store cannot be used.

    Args:
        error: of a part.
        store: the store's full URL.
    """
    place = "/".join(store.split("/")[:3]) if store.startswith("s3://") else store
    is_away = isinstance(error, StoreUnreachable) and _is_about(error, place)
    is_denied = isinstance(error, StoreDenied) and _is_about(error, store)
    return isinstance(error, ChildCancelled) or is_away or is_denied


def _is_about(error: Exception, place: str) -> bool:
    """Return whether an error's message begins with an address, or with one within it."""
    return str(error) == place or str(error).startswith((f"{place}/", f"{place}:"))


def error_of(failures: Sequence[Failure], parts: Sequence[Part]) -> Exception:
    """Return the error that ends a run.

    Where no data set is complete and all failed for one reason, it is the error itself: nothing tells the data sets
    apart.

    Args:
        failures: of parts, at least one.
        parts: all parts of the run.
    """
    lost = _lost(failures, parts)
    datasets = list(dict.fromkeys(part.dataset for part in parts if part.dataset))
    affected = [name for name in datasets if any(part.dataset == name and part.name in lost for part in parts)]
    is_one_reason = len({str(failure.error) for failure in failures}) == 1
    if len(affected) == len(datasets) and is_one_reason and all(failure.part.dataset for failure in failures):
        return failures[0].error
    reasons = dict[str, list[str]]()
    for failure in failures:
        reasons.setdefault(_line(failure.error), []).append(failure.part.subject)
    causes = "; ".join(f"{_listed(subjects)} failed: {reason}" for reason, subjects in reasons.items())
    without = [name for name in affected if name not in {failure.part.dataset for failure in failures}]
    waiting = f"; {_listed([f'data set {name}' for name in without])} could not be finished without it" * bool(without)
    is_none_whole = len(affected) == len(datasets)
    kept = "no data set is complete" if is_none_whole else "all tables of the other data sets are complete"
    error = DatasetsFailed(f"{causes}{waiting}; {kept}, and the next run computes only what is missing")
    error.__cause__ = failures[0].error
    return error


def _lost(failures: Sequence[Failure], parts: Sequence[Part]) -> set[str]:
    """Return the names of the parts that failed, or waited for one that did."""
    lost = {failure.part.name for failure in failures}
    while more := {part.name for part in parts if part.name not in lost and lost.intersection(part.waits_for)}:
        lost |= more
    return lost


def _line(error: Exception) -> str:
    """Return an error's message on one line; its class, where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def _listed(subjects: Sequence[str]) -> str:
    """Return names in a sentence: `data sets one and two`.

    Example:
        >>> _listed(["data set one", "data set two", "made model ties"])
        'data sets one and two and made model ties'
    """
    found = []
    for kind in ("data set", "made model"):
        names = list(dict.fromkeys(s.removeprefix(f"{kind} ") for s in subjects if s.startswith(f"{kind} ")))
        if names:
            found.append(f"{kind}{'s' * (len(names) > 1)} {_joined(names)}")
    return " and ".join(found)


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
