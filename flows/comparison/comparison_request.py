"""The request of a comparison, resolved against the runs in the store; everything that does not exist is refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from flows.comparison.run_tables import RunTable
from flows.errors import ExperimentError
from flows.reports.chosen_results import listed, matches_method
from storage.text import shown
from tasks.errors import did_you_mean
from tasks.numerics.metrics.metric import LABEL_COLUMNS, PREDICTION_COLUMNS, Metric
from tasks.numerics.metrics.registry import METRICS

_COMPARED = [m for m in METRICS if m.better and m.is_tested and {*m.columns} <= {*PREDICTION_COLUMNS, *LABEL_COLUMNS}]
"""The metrics by which methods can be compared: with a direction and a test, from the samples' predictions alone."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The comparison that somebody asks for."""

    experiment: str
    run_id: str | None = None
    """None: the latest run of the experiment."""
    methods: tuple[str, ...] = ()
    """Methods, families or patterns, as of `dawin results`; empty: all, of which the best is shown with the others."""
    metrics: tuple[str, ...] = ("top1",)
    datasets: tuple[str, ...] = ()
    """Data sets, means such as `mean/ood`, or patterns; empty: all data sets with labels, and their means."""
    other: str | None = None
    """Another run, `EXPERIMENT` or `EXPERIMENT/RUN`, with whose methods the run's are compared."""


@dataclass(frozen=True)
class Resolved:
    """A request whose names all exist."""

    methods: tuple[list[str], list[str]]
    """Of the run and of the other run; the latter is empty without one."""
    metrics: list[Metric]
    columns: dict[str, list[tuple[str, list[str]]]]
    """By metric: data sets and means, each with its name and the data sets that it is over."""


def chosen_metrics(names: Sequence[str]) -> list[Metric]:
    """Return the metrics of a request.

    Raises:
        ExperimentError: a metric does not exist, or nothing is better or worse by it.
    """
    registered = {metric.name: metric for metric in METRICS}
    compared = {metric.name: metric for metric in _COMPARED}
    faults = []
    for name in dict.fromkeys(names):
        known = f"known: {listed(compared)}"
        if name not in registered:
            faults.append(f"--metric {shown(name)}: no such metric{did_you_mean(name, compared) or ';'} {known}")
        elif registered[name].better is None:
            faults.append(f"--metric {name}: ranks no methods, neither high nor low values are better; {known}")
        elif not registered[name].is_tested:
            faults.append(f"--metric {name}: no test of a difference is valid, chance alone decides extremes; {known}")
        elif name not in compared:
            faults.append(f"--metric {name}: not computed from the samples' predictions alone; {known}")
    if faults:
        raise ExperimentError("; ".join(faults))
    return [compared[name] for name in dict.fromkeys(names)]


def resolve(request: Request, run: RunTable, other: RunTable | None) -> Resolved:
    """Return a request's methods, metrics and columns.

    Args:
        request: the request.
        run: the run of the request.
        other: the other run; None: methods are compared within the run.

    Raises:
        ExperimentError: a name does not exist, no method can be compared with another one, or the runs do not share
            the samples.
    """
    metrics = chosen_metrics(request.metrics)
    methods = _methods(request, run, other)
    return Resolved(methods, metrics, {metric.name: _columns(request, metric, run, other) for metric in metrics})


def _methods(request: Request, run: RunTable, other: RunTable | None) -> tuple[list[str], list[str]]:
    known = list(dict.fromkeys([*run.methods, *(other.methods if other else ())]))
    for pattern in request.methods:
        if not any(matches_method(name, pattern) for name in known):
            hint = did_you_mean(pattern, known) or f"; known: {listed(known)}"
            raise ExperimentError(f"METHOD {shown(pattern)}: no such method in {_names(run, other)}{hint}")
    mine = _ordered(request.methods, run.methods)
    if other is None:
        if len(mine) < 2:
            raise ExperimentError(
                f"compare: wanted at least two methods of {run.name}, got {listed(mine)} alone; known: {listed(known)}"
            )
        return mine, []
    theirs = _ordered(request.methods, other.methods)
    for one, its in ((run, mine), (other, theirs)):
        if not its:
            asked = ", ".join(map(shown, request.methods))
            raise ExperimentError(f"METHOD {asked}: not in {one.name}; known: {listed(one.methods)}")
    if not request.methods and not {*mine} & {*theirs}:
        raise ExperimentError(
            f"compare: {run.name} and {other.name} have no method of the same name; known: {listed(mine)} and "
            f"{listed(theirs)}"
        )
    return mine, theirs


def _ordered(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the names that match patterns, in the order of the patterns; all names without a pattern."""
    if not patterns:
        return list(names)
    return list(dict.fromkeys(name for pattern in patterns for name in names if matches_method(name, pattern)))


def _columns(request: Request, metric: Metric, run: RunTable, other: RunTable | None) -> list[tuple[str, list[str]]]:
    """Return the data sets and means of a metric, by their names in the run."""
    valued, means = run.valued(metric.name), run.means(metric.name)
    if not valued:
        raise ExperimentError(f"compare: {run.name} has no data set with labels, which metric {metric.name} needs")
    by_default = [*valued, *(name for name, members in means.items() if len(members) > 1)]
    chosen = [(name, means.get(name, [name])) for name in _chosen_datasets(request, metric, run, by_default, [*means])]
    if other is None:
        return chosen
    return _shared(chosen, metric, run, other, is_asked=bool(request.datasets))


def _chosen_datasets(
    request: Request, metric: Metric, run: RunTable, by_default: Sequence[str], means: Sequence[str]
) -> Iterable[str]:
    if not request.datasets:
        return by_default
    possible = list(dict.fromkeys([*run.valued(metric.name), *means]))
    known = list(dict.fromkeys([*run.datasets, *means]))
    chosen: list[str] = []
    for pattern in request.datasets:
        found = [name for name in possible if fnmatchcase(name, pattern)]
        if not found and any(fnmatchcase(name, pattern) for name in known):
            labelled = any((method, pattern, "nll") in run.rows for method in run.methods)
            reason = (
                f"metric {metric.name} is not defined on it"
                if labelled
                else f"no labels, which metric {metric.name} needs"
            )
            raise ExperimentError(f"--dataset {shown(pattern)}: {reason}; known: {listed(possible)}")
        if not found:
            hint = did_you_mean(pattern, known) or f"; known: {listed(known)}"
            raise ExperimentError(f"--dataset {shown(pattern)}: no such data set in {run.name}{hint}")
        chosen += found
    return dict.fromkeys(chosen)


def _shared(
    chosen: Sequence[tuple[str, list[str]]], metric: Metric, run: RunTable, other: RunTable, *, is_asked: bool
) -> list[tuple[str, list[str]]]:
    """Return the columns whose samples both runs have."""
    found = []
    for name, members in chosen:
        absent = [one for one in members if same_samples(one, run, other) is None]
        if not absent:
            found.append((name, members))
        for one in absent:
            if one in other.digests:
                raise ExperimentError(
                    f"data set {one}: wanted the samples of {run.name} (digest {run.digests[one]}), got others in "
                    f"{other.name} (digest {other.digests[one]}): its files, limit, label space or preprocessing differ"
                )
            if is_asked:
                raise ExperimentError(
                    f"--dataset {name}: {other.name} has not the samples of {one} (digest {run.digests[one]}); it has "
                    f"{_with_digests(other)}"
                )
    if not found:
        raise ExperimentError(
            f"compare: {run.name} and {other.name} share no samples with a value of {metric.name}; they have "
            f"{_with_digests(run)}, and {_with_digests(other)}"
        )
    return found


def same_samples(dataset: str, run: RunTable, other: RunTable) -> str | None:
    """Return the name that a data set of a run has in another run, by its digest; None if that run does not have it."""
    same = [name for name, digest in other.digests.items() if digest == run.digests[dataset]]
    return dataset if dataset in same else next(iter(same), None)


def _with_digests(run: RunTable) -> str:
    return listed([f"{name} ({digest})" for name, digest in run.digests.items()])


def _names(run: RunTable, other: RunTable | None) -> str:
    return run.name if other is None else f"{run.name} or {other.name}"
