"""Comparisons of methods on the same samples: the difference of each pair, its interval, and its corrected p-value."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage import keys
from storage.identity import digest_of
from storage.schemas import COMPARISONS
from storage.store import Store
from storage.tables import TableWriter
from tasks.evidence.compared import ComparedColumn, Pairs, all_pairs
from tasks.numerics.checks import Floats
from tasks.numerics.evidence.detectable import detectable_by_error, detectable_by_mcnemar
from tasks.numerics.evidence.holm import holm
from tasks.numerics.evidence.mcnemar import discordance, exact_mcnemar, tango_interval
from tasks.numerics.evidence.paired import paired_test

VERSION = 1
"""Of the tests; a raised version has all comparisons computed again."""
MCNEMAR, BOOTSTRAP = "mcnemar", "bootstrap"
_ROUNDING = 1e-8  # of the values: sums of single-precision products differ by less, and one sample of many by more
_AT_ONCE = 256  # pairs whose resampled differences are in memory at a time

Rows = list[dict[str, Any]]


def compare(columns: Iterable[ComparedColumn], pairs_of: Callable[[ComparedColumn], Pairs] = all_pairs) -> Rows:
    """Return one row for each pair of methods in each column, with Holm's correction over all rows.

    Two accuracies on one data set are compared by McNemar's exact test and Tango's interval, everything else by the
    bootstrap on the same resamples.

    Args:
        columns: data sets and means by metric; each is read once, so that a generator may read them one by one.
        pairs_of: which methods of a column are compared with which; by default all pairs.

    Returns:
        Rows of the table `comparisons`, in the order of the columns and of their pairs.

    Raises:
        ValueError: a method of a column has neither what McNemar's test needs nor resamples.

    Example:
        >>> from tasks.evidence.compared import Compared
        >>> right = {"base": [True, False] * 20, "tuned": [True] * 40}
        >>> methods = [
        ...     Compared(method=name, run="digits/0123", value=np.mean(each), right=np.array(each))
        ...     for name, each in right.items()
        ... ]
        >>> column = ComparedColumn(
        ...     dataset="clean", group="id", metric="top1", samples=40, least=40, methods=methods
        ... )
        >>> for row in compare([column]):
        ...     print(row["method_a"], row["method_b"], row["difference"], f"{row['p_corrected']:.0e}", row["test"])
        base tuned -0.5 2e-06 mcnemar
    """
    found = [row for column in columns for row in _rows(column, list(pairs_of(column)))]
    corrected = holm([row["p_value"] for row in found])
    shared = {"software": f"dawin {version('dawin-pipeline')}", "created_at": datetime.now(UTC)}
    return [{**row, "p_corrected": float(p), **shared} for row, p in zip(found, corrected, strict=True)]


def _rows(column: ComparedColumn, pairs: Pairs) -> Iterator[dict[str, Any]]:
    """Yield the rows of a column, without the correction."""
    if not pairs:
        return
    by_mcnemar = all(method.right is not None for method in column.methods)
    tested = _by_mcnemar(column, pairs) if by_mcnemar else _by_bootstrap(column, pairs)
    for (i, j), p, low, high, detectable in zip(pairs, *tested, strict=True):
        a, b = column.methods[i], column.methods[j]
        yield {
            "method_a": a.method,
            "method_b": b.method,
            "run_a": a.run,
            "run_b": b.run,
            "dataset": column.dataset,
            "group": column.group,
            "metric": column.metric,
            "value_a": a.value,
            "value_b": b.value,
            "difference": a.value - b.value,
            "ci_low": _or_none(low),
            "ci_high": _or_none(high),
            "p_value": float(p),
            "test": MCNEMAR if by_mcnemar else BOOTSTRAP,
            "detectable": _or_none(detectable),
            "samples": column.samples,
        }


class _Tested(NamedTuple):
    """Tests of the pairs of a column, each (pairs,)."""

    p_value: Floats
    low: Floats
    high: Floats
    detectable: Floats


def _by_mcnemar(column: ComparedColumn, pairs: Pairs) -> _Tested:
    found = discordance(np.array([method.right for method in column.methods]))
    i, j = np.transpose(pairs)
    only_a, only_b = found.only_row[i, j], found.only_column[i, j]
    low, high = tango_interval(only_a, only_b, column.samples)
    detectable = detectable_by_mcnemar(only_a + only_b, column.samples)
    return _Tested(exact_mcnemar(only_a, only_b), low, high, detectable)


def _by_bootstrap(column: ComparedColumn, pairs: Pairs) -> _Tested:
    without = [method.method for method in column.methods if method.replicates is None]
    if without:
        raise ValueError(f"{column.dataset}, {column.metric}: wanted resamples of all methods, none of {without[0]}")
    values = np.array([method.value for method in column.methods])
    drawn = np.array([method.replicates for method in column.methods])
    counts = np.array([method.deciding or column.least for method in column.methods])
    noise = _ROUNDING * np.abs(drawn).max(initial=0.0, where=np.isfinite(drawn))
    parts = []
    for start in range(0, len(pairs), _AT_ONCE):
        i, j = np.transpose(pairs[start : start + _AT_ONCE])
        differences, of_resamples = values[i] - values[j], drawn[i] - drawn[j]
        defined = np.isfinite(of_resamples)  # a metric may not be defined on a resample
        same = (np.abs(differences) <= noise) & np.all((np.abs(of_resamples) <= noise) | ~defined, axis=1)
        differences[same] = 0.0  # equal predictions, whose sums were rounded differently
        of_resamples[same[:, None] & defined] = 0.0
        parts.append(_tested(differences, of_resamples, np.minimum(counts[i], counts[j])))
    return _Tested(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def _tested(differences: Floats, of_resamples: Floats, samples: NDArray[np.int64]) -> _Tested:
    """Return the tests of differences (pairs,) with resamples (pairs, B), NaN where a metric is not defined on one.

    A difference that less than half of the resamples define has no interval, and p is 1.
    """
    found = _Tested(np.ones(len(differences)), *(np.full(len(differences), np.nan) for _ in range(3)))
    defined = np.isfinite(of_resamples)
    whole = np.flatnonzero(defined.all(axis=1))
    in_part = np.flatnonzero(~defined.all(axis=1) & (2 * defined.sum(axis=1) >= max(4, defined.shape[1])))
    for rows in filter(len, (whole, *in_part[:, None])):
        drawn = of_resamples[rows] if rows is whole else of_resamples[rows][:, defined[rows[0]]]
        test = paired_test(differences[rows], drawn, samples[rows])
        found.p_value[rows], found.low[rows], found.high[rows] = test.p_value, test.low, test.high
        found.detectable[rows] = detectable_by_error(test.standard_error, samples[rows])
    return found


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else float(number)


def write_comparisons(store: Store, experiment: str, run_id: str, request: Mapping[str, Any], rows: Rows) -> str:
    """Write comparisons into the store, and return the key of their table.

    Args:
        store: the store.
        experiment: name of the experiment of the first method of each pair.
        run_id: its run.
        request: all that the rows depend on beside the run, from `request_of`.
        rows: from `compare`; at least one.

    Raises:
        StoreDenied: the store cannot be written.
    """
    key = keys.comparisons(experiment, run_id, digest_of(request))
    writer = TableWriter(store, key, COMPARISONS, identity=request)
    writer.append({name: [row[name] for row in rows] for name in COMPARISONS.arrow({}).names})
    writer.commit()
    return key


def request_of(
    metrics: Sequence[str] = ("top1",),
    methods: Sequence[Sequence[str]] | None = None,
    datasets: Mapping[str, Sequence[str]] | None = None,
    other: str | None = None,
) -> dict[str, Any]:
    """Return the identity of comparisons; without arguments, of those that every run writes.

    Args:
        metrics: names of the metrics.
        methods: names of the methods, of the run and of the other one; None: all.
        datasets: names of the data sets and means by metric; None: all.
        other: experiment and run of the second method of each pair; None: the first method's.
    """
    return {
        "tests": VERSION,
        "schema": COMPARISONS.version,
        "metrics": list(metrics),
        "methods": None if methods is None else [list(each) for each in methods],
        "datasets": None if datasets is None else {metric: list(each) for metric, each in datasets.items()},
        "other": other,
    }
