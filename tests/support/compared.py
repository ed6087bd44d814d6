"""Hand-made methods that are compared: random classifiers with errors in common."""

import numpy as np
from scipy.special import ndtri

from flows.comparison.comparison import Comparison
from tasks.evidence.compared import Compared, ComparedColumn
from tasks.evidence.comparisons import compare
from tasks.numerics.metrics.registry import metric_of


def column_of(right, *, names=None, dataset="clean", group="id", metric="top1", resamples=None, seed=1):
    """Return a column of methods from whether each sample is right, (k, n).

    Args:
        right: (k, n) booleans, or numbers whose mean is the metric.
        names: of the methods; by default m0, m1, …
        dataset: its name.
        group: its group.
        metric: the metric of the values, the mean of `right`.
        resamples: number of resamples; None: McNemar's test needs none.
        seed: of the resamples.
    """
    right = np.asarray(right)
    n = right.shape[1]
    names = names or [f"m{i}" for i in range(len(right))]
    drawn = [None] * len(right)
    if resamples:
        drawn = right @ np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples).T / n
    methods = [
        Compared(
            method=name,
            run="digits/r0123",
            value=float(one.mean()),
            right=one if one.dtype == bool else None,
            replicates=some,
        )
        for name, one, some in zip(names, right, drawn, strict=True)
    ]
    return ComparedColumn(dataset=dataset, group=group, metric=metric, samples=n, least=n, methods=methods)


def correlated_errors(random, methods, samples, *, accuracy=0.85, shared=0.7):
    """Return (k, n) booleans: methods of equal accuracy whose errors coincide, as those of merged models do.

    Args:
        random: a generator of numpy.
        methods: number k.
        samples: number n.
        accuracy: of every method.
        shared: correlation of the latent difficulty of a sample between two methods; 0: independent errors.
    """
    difficulty = np.sqrt(shared) * random.standard_normal(samples)
    own = np.sqrt(1 - shared) * random.standard_normal((methods, samples))
    return difficulty + own < ndtri(accuracy)


def comparison(columns, *, labelled=(), against_best=True, other=None, pairs_of=None, metrics=("top1",)):
    """Return the comparison of hand-made columns, as `dawin compare` prints it."""
    rows = compare(columns, *([pairs_of] if pairs_of else []))
    return Comparison(
        run="digits/r0123",
        other=other,
        metrics=[metric_of(name) for name in metrics],
        rows=rows,
        labelled=frozenset(labelled),
        against_best=against_best,
        table="memory://store/comparisons.parquet",
    )
