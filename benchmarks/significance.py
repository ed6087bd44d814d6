"""How often the tests of `dawin compare` cry wolf, and how often their intervals hold the truth.

    python -m benchmarks.significance [--simulations 2000]

Null tables: methods of equal accuracy on random samples. A table is a false alarm if any corrected p-value is below
0.05. Intervals: two methods whose accuracies are known.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tasks.evidence.compared import Compared, ComparedColumn, mean_of
from tasks.evidence.comparisons import compare
from tasks.numerics.evidence.mcnemar import tango_interval
from tasks.numerics.evidence.paired import paired_test

METHODS = 5
SAMPLES = 2_000
ACCURACY = 0.85
RESAMPLES = 1_000
Right = NDArray[np.bool_]


class Line(NamedTuple):
    """One figure: a share of the simulations."""

    name: str
    share: float
    simulations: int


def right_samples(random: np.random.Generator, shared: float, accuracies: list[float], samples: int) -> Right:
    """Return (k, n) whether each method is right; a latent difficulty of the samples makes errors coincide.

    Args:
        random: a generator.
        shared: correlation of the latent difficulty between two methods; 0: independent errors.
        accuracies: of the k methods.
        samples: number n.
    """
    common = np.sqrt(shared) * random.standard_normal(samples)
    own = np.sqrt(1 - shared) * random.standard_normal((len(accuracies), samples))
    found: Right = common + own < ndtri(np.array(accuracies))[:, None]
    return found


def column(right: Right, weights: NDArray[np.float64] | None = None) -> ComparedColumn:
    """Return methods on one data set; with weights (n, B), their values on resamples too."""
    methods = [
        Compared(
            method=f"m{i}",
            run="null/0",
            value=float(one.mean()),
            right=one,
            replicates=None if weights is None else one @ weights / len(one),
        )
        for i, one in enumerate(right)
    ]
    samples = right.shape[1]
    return ComparedColumn(dataset="d", group="g", metric="top1", samples=samples, least=samples, methods=methods)


def false_alarms(simulations: int) -> Iterator[Line]:
    """Yield the shares of null tables with any corrected p-value below 0.05."""
    equal = [ACCURACY] * METHODS
    weights = _weights(SAMPLES)

    def independent(random: np.random.Generator) -> bool:
        columns = (column(right_samples(random, 0.6, [ACCURACY] * 2, SAMPLES)) for _ in range(METHODS))
        return _any(compare(columns))

    def pairs(shared: float) -> Callable[[np.random.Generator], bool]:
        return lambda random: _any(compare([column(right_samples(random, shared, equal, SAMPLES))]))

    def means(random: np.random.Generator) -> bool:
        sets = [column(right_samples(random, 0.6, equal, SAMPLES), weights) for _ in range(3)]
        return _any(compare([mean_of("g", sets)]))

    def best_alone(random: np.random.Generator) -> bool:
        one = column(right_samples(random, 0.6, equal, SAMPLES))
        best = max(range(METHODS), key=lambda i: one.methods[i].value)
        return _any(compare([one], lambda _: [(best, i) for i in range(METHODS) if i != best]))

    yield _share("McNemar, 5 independent tests", independent, simulations)
    yield _share("McNemar, all 10 pairs, independent errors", pairs(0.0), simulations)
    yield _share("McNemar, all 10 pairs, errors in common", pairs(0.6), simulations)
    yield _share("bootstrap, all 10 pairs, mean over 3 data sets", means, simulations)
    yield _share("for contrast: 4 pairs with the best, corrected for 4", best_alone, simulations)


def coverages(simulations: int) -> Iterator[Line]:
    """Yield the shares of intervals that hold the true difference."""
    for samples, accuracies, shared in ((500, [0.9, 0.88], 0.6), (2_000, [0.75, 0.75], 0.8), (2_000, [0.6, 0.5], 0.0)):
        weights = _weights(samples)
        drawn = [right_samples(random, shared, accuracies, samples) for random in _generators(simulations, samples)]
        only_a = np.array([np.sum(a & ~b) for a, b in drawn])
        only_b = np.array([np.sum(b & ~a) for a, b in drawn])
        truth = accuracies[0] - accuracies[1]
        low, high = tango_interval(only_a, only_b, samples)
        setting = f"n = {samples:,}, {accuracies[0]:.0%} and {accuracies[1]:.0%}"
        yield Line(f"Tango's interval, {setting}", _inside(low, truth, high), simulations)
        terms = np.array([a.astype(float) - b for a, b in drawn])
        found = paired_test(terms.mean(axis=1), terms @ weights / samples, samples)
        yield Line(f"bootstrap, {setting}", _inside(found.low, truth, found.high), simulations)
    samples = 500
    terms = np.array(
        [
            np.exp(shared + 0.5 * one) - np.exp(shared + 0.5 * other)  # losses: skewed, and mostly in common
            for shared, one, other in (r.standard_normal((3, samples)) for r in _generators(simulations, 7))
        ]
    )
    found = paired_test(terms.mean(axis=1), terms @ _weights(samples) / samples, samples)
    yield Line("bootstrap, n = 500, skewed losses", _inside(found.low, 0.0, found.high), simulations)


def _any(rows: list[dict[str, float]]) -> bool:
    return any(row["p_corrected"] < 0.05 for row in rows)


def _share(name: str, alarm: Callable[[np.random.Generator], bool], simulations: int) -> Line:
    return Line(name, float(np.mean([alarm(random) for random in _generators(simulations, 1)])), simulations)


def _inside(low: NDArray[np.float64], truth: float, high: NDArray[np.float64]) -> float:
    return float(np.mean((low <= truth) & (truth <= high)))


def _weights(samples: int) -> NDArray[np.float64]:
    drawn = np.random.default_rng(samples).multinomial(samples, np.full(samples, 1 / samples), RESAMPLES)
    return drawn.T.astype(np.float64)


def _generators(simulations: int, seed: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng([seed, number]) for number in range(simulations))


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=2_000)
    simulations = parser.parse_args().simulations
    for title, lines in (("false alarms", false_alarms), ("coverage of 95 % intervals", coverages)):
        print(f"{title}, {simulations:,} simulations each")
        for line in lines(simulations):
            print(f"  {line.name:<55}{line.share:7.1%}", flush=True)


if __name__ == "__main__":
    main()
