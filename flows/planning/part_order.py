"""The order of a run's parts: by the path that is left on a pool, data set by data set in one process."""

from collections.abc import Sequence

from flows.planning.plan_parts import Part


def path_lengths(parts: Sequence[Part]) -> dict[str, int]:
    """Return, by name of each part, the passes of the longest path from its begin to the end of the run.

    A run on many workers ends soonest if the part with the longest path left goes first.

    Args:
        parts: of a run.

    Example:
        >>> first = Part("extract a", "extract", "a", "", (), passes=10, missing=10)
        >>> second = Part("evaluate a", "evaluate", "a", "", ("extract a",), passes=5, missing=5)
        >>> path_lengths([first, second])
        {'extract a': 15, 'evaluate a': 5}
    """
    after: dict[str, list[Part]] = {part.name: [] for part in parts}
    for part in parts:
        for name in part.waits_for:
            after[name].append(part)
    found = dict[str, int]()

    def length(part: Part) -> int:
        if part.name not in found:
            found[part.name] = part.passes + max((length(later) for later in after[part.name]), default=0)
        return found[part.name]

    return {part.name: length(part) for part in parts}


def longest_first(parts: Sequence[Part]) -> list[Part]:
    """Return parts by the paths that are left, the longest first.

    Args:
        parts: of a run.
    """
    lengths = path_lengths(parts)
    return sorted(parts, key=lambda part: -lengths[part.name])


def one_by_one(parts: Sequence[Part]) -> list[Part]:
    """Return parts in the order in which one process computes them.

    Each data set is finished before the next one begins, those with the least to do first: a run that is killed has
    finished as many as possible. A made model comes before the first part that needs it, after the parts that it needs.

    Args:
        parts: of a run.

    Example:
        >>> def of(dataset, passes):
        ...     first = Part(f"extract {dataset}", "extract", dataset, "", (), passes, passes)
        ...     return [first, Part(f"evaluate {dataset}", "evaluate", dataset, "", (first.name,), passes, passes)]
        >>> [part.name for part in one_by_one([*of("large", 10), *of("small", 1)])]
        ['extract small', 'evaluate small', 'extract large', 'evaluate large']
    """
    by_name = {part.name: part for part in parts}
    work = dict[str, int]()
    for part in parts:
        work[part.dataset] = work.get(part.dataset, 0) + part.passes
    found = dict[str, Part]()

    def add(part: Part) -> None:
        for name in part.waits_for:
            add(by_name[name])
        found[part.name] = part

    for part in sorted((p for p in parts if p.dataset), key=lambda p: work[p.dataset]):
        add(part)
    for part in parts:  # made models that nothing waits for
        add(part)
    return list(found.values())
