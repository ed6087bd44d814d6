"""The longest path that remains after a work: works on long paths start first."""

from collections.abc import Mapping

from flows.scheduling.works import Graph


def remaining_paths(graph: Graph, lengths: Mapping[str, float]) -> dict[str, float]:
    """Return the length of the longest path that begins with each work.

    List scheduling in this order is the critical-path rule: Hu, "Parallel sequencing and assembly line problems",
    Operations Research 9 (1961); its makespan is below twice the least one (Graham, 1966).

    Args:
        graph: the works.
        lengths: the shortest time that each work can take, in seconds, by its name.

    Returns:
        Seconds by the work's name: its own length, and the longest path of the works that wait for it.

    Example:
        >>> from flows.scheduling.works import Graph, Work
        >>> graph = Graph([Work(name="a", kind="x"), Work(name="b", kind="x", after=("a",)), Work(name="c", kind="x")])
        >>> remaining_paths(graph, {"a": 1.0, "b": 5.0, "c": 4.0})
        {'b': 5.0, 'c': 4.0, 'a': 6.0}
    """
    found: dict[str, float] = {}
    for work in reversed(list(graph)):
        found[work.name] = lengths[work.name] + max((found[name] for name in graph.successors[work.name]), default=0.0)
    return found
