"""Methods that are compared on the same samples: on one data set, or by their means over several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.numerics.checks import Floats
from tasks.references.results import ALL, mean_name

Pairs = Sequence[tuple[int, int]]
"""Numbers of the two methods of each pair."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A method's value by a metric, and all that a comparison on the same samples needs."""

    method: str
    run: str
    """Experiment and run, as `EXPERIMENT/RUN`."""
    value: float
    right: NDArray[np.bool_] | None = None
    """(n,) whether each sample is right, for a metric that is the share of right samples; then McNemar's test."""
    replicates: Floats | None = None
    """(B,) the value on each of B resamples, which all methods of a column share; for the bootstrap."""
    deciding: int | None = None
    """Number of samples that decide the value (see `Metric.deciding`), for the bootstrap; None: all."""


@dataclass(frozen=True, kw_only=True)
class ComparedColumn:
    """A metric on one data set, or its mean over several: a column of methods that are compared with one another."""

    dataset: str
    """Name of the data set, or `mean/<group>`."""
    group: str
    metric: str
    samples: int
    """Of all its data sets."""
    least: int
    """Samples of its smallest data set."""
    methods: Sequence[Compared]


def all_pairs(column: ComparedColumn) -> Pairs:
    """Return the numbers of the two methods of each pair, in the order of the methods."""
    count = len(column.methods)
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def means_of(columns: Sequence[ComparedColumn]) -> Iterator[ComparedColumn]:
    """Yield the means of one metric over each group of several data sets, and over all of several groups.

    A method takes part in a mean if it has a value on all of the mean's data sets. Each data set has the same weight.

    Args:
        columns: data sets, each with resamples of its methods.
    """
    groups: dict[str, list[ComparedColumn]] = {}
    for column in columns:
        groups.setdefault(column.group, []).append(column)
    whole = {ALL: list(columns)} if len(groups) > 1 else {}
    for name, members in {**groups, **whole}.items():
        if len(members) > 1:
            yield mean_of(name, members)


def mean_of(group: str, columns: Sequence[ComparedColumn]) -> ComparedColumn:
    """Return the mean of one metric over data sets, of the methods that have a value on all of them.

    Args:
        group: name of the group, or `all`.
        columns: the data sets, each with resamples of its methods; at least one.
    """
    each = [{(method.method, method.run): method for method in column.methods} for column in columns]
    shared = [name for name in each[0] if all(name in other for other in each)]
    methods = [
        Compared(
            method=name,
            run=run,
            value=float(np.mean([one[name, run].value for one in each])),
            replicates=np.mean([_drawn(one[name, run]) for one in each], axis=0),
            deciding=min((n for one in each if (n := one[name, run].deciding) is not None), default=None),
        )
        for name, run in shared
    ]
    return ComparedColumn(
        dataset=mean_name(group),
        group=group,
        metric=columns[0].metric,
        samples=sum(column.samples for column in columns),
        least=min(column.least for column in columns),
        methods=methods,
    )


def _drawn(method: Compared) -> Floats:
    if method.replicates is None:
        raise ValueError(f"{method.method}: wanted resamples, for a mean over data sets")
    return method.replicates
