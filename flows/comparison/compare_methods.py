"""Methods compared with one another: a request, the runs in the store, and the table of comparisons that is kept."""

import logging
from collections.abc import Callable, Iterator

from flows.comparison.compared_samples import Side, compared_columns
from flows.comparison.comparison import Comparison
from flows.comparison.comparison_request import Request, Resolved, chosen_metrics, resolve, same_samples
from flows.comparison.run_tables import RunTable, run_table
from flows.errors import ExperimentError
from storage import keys
from storage.errors import ObjectDamaged, StorageError, StoreDenied
from storage.identity import digest_of
from storage.schemas import COMPARISONS
from storage.soundness import is_committed
from storage.store import Store
from storage.tables import read_table
from tasks.evidence.compared import ComparedColumn, Pairs, all_pairs
from tasks.evidence.comparisons import Rows, compare, request_of, write_comparisons

log = logging.getLogger("dawin.comparison")


def compare_methods(store: Store, request: Request) -> Comparison:
    """Return the comparison of methods, from the store if it holds the same one, and keep it there.

    No model runs: the predictions of all samples are in the store.

    Args:
        store: the store; one that cannot be written gives the same comparison, which is then not kept.
        request: the experiment, methods, metrics and data sets.

    Raises:
        ExperimentError: a name does not exist, nothing can be compared, or two runs do not share the samples.
        StorageError: results or predictions are missing or damaged.
    """
    chosen_metrics(request.metrics)
    run = run_table(store, request.experiment, request.run_id)
    other = _other(store, request, run)
    resolved = resolve(request, run, other)
    identity = _identity(request, resolved, other)
    key = keys.comparisons(run.experiment, run.run_id, digest_of(identity))
    rows, is_kept = _kept(store, key), True
    if rows is None:
        rows = _compare(store, request, resolved, run, other)
        try:
            write_comparisons(store, run.experiment, run.run_id, identity, rows)
        except (StoreDenied, PermissionError):
            is_kept = False
    return Comparison(
        run=run.name,
        other=other.name if other else None,
        metrics=resolved.metrics,
        rows=rows,
        labelled=run.labelled | (other.labelled if other else frozenset()),
        against_best=not request.methods and other is None,
        table=store.address(key) if is_kept else None,
    )


def _other(store: Store, request: Request, run: RunTable) -> RunTable | None:
    if request.other is None:
        return None
    experiment, _, run_id = request.other.partition("/")
    other = run_table(store, experiment, run_id or None)
    if other.name == run.name:
        raise ExperimentError(f"--with {request.other}: it is the run itself; wanted another run or experiment")
    return other


def _identity(request: Request, resolved: Resolved, other: RunTable | None) -> dict[str, object]:
    """Return all that the rows depend on beside the run."""
    mine, theirs = resolved.methods
    datasets = {metric: [name for name, _ in columns] for metric, columns in resolved.columns.items()}
    return request_of(
        [metric.name for metric in resolved.metrics],
        [mine, theirs] if request.methods else None,
        datasets if request.datasets or other else None,
        other.name if other else None,
    )


def _kept(store: Store, key: str) -> Rows | None:
    """Return the rows of a table that the store holds; None if it holds none that is sound."""
    try:
        if is_committed(store, key):
            rows: Rows = read_table(store, key, COMPARISONS).to_pylist()
            return rows
    except (ObjectDamaged, StoreDenied) as error:
        log.warning("%s", error)
    except StorageError:
        raise
    return None


def _compare(store: Store, request: Request, resolved: Resolved, run: RunTable, other: RunTable | None) -> Rows:
    mine, theirs = resolved.methods

    def columns() -> Iterator[ComparedColumn]:
        for metric in resolved.metrics:
            chosen = resolved.columns[metric.name]
            names = list(dict.fromkeys(one for _, members in chosen for one in members))
            sides: list[Side] = [(run, mine, {name: name for name in names})]
            if other:
                sides.append((other, theirs, {name: same_samples(name, run, other) or name for name in names}))
            yield from compared_columns(store, metric, chosen, sides)

    rows = compare(columns(), _pairs(run, other, by_name=not request.methods))
    if not rows:
        raise ExperimentError(f"compare: no two of these methods have a value on the same data set of {run.name}")
    return rows


def _pairs(run: RunTable, other: RunTable | None, *, by_name: bool) -> Callable[[ComparedColumn], Pairs]:
    """Return which methods of a column are compared: all pairs, or methods of one run with those of the other."""
    if other is None:
        return all_pairs

    def across(column: ComparedColumn) -> Pairs:
        members = list(enumerate(column.methods))
        mine, theirs = ([(i, one) for i, one in members if one.run == side.name] for side in (run, other))
        return [(i, j) for i, a in mine for j, b in theirs if a.method == b.method or not by_name]

    return across
