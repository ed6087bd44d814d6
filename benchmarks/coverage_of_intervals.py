"""How often the 95 % intervals of metrics hold the value of the population that the samples come from.

A population has classes of equal probability. Scores are normal, with the label's shifted by `signal`; the logits are
the log posterior divided by a temperature, so that 1 is calibrated and less is overconfident. The value of the
population comes from a million samples. Resamples of each simulated data set come from another seed.
"""

import argparse
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from benchmarks.options import options
from benchmarks.reporting import report
from tasks.numerics.evidence.estimates import estimates
from tasks.numerics.evidence.resampling import Resampling
from tasks.numerics.metrics.metric import SampleColumns
from tasks.numerics.metrics.registry import metrics_of


class Population(NamedTuple):
    """A classifier of an endless data set."""

    name: str
    classes: int
    signal: float
    temperature: float


POPULATIONS = (
    Population("calibrated", 10, 2.0, 1.0),
    Population("overconfident", 10, 2.0, 0.6),
    Population("98 % right", 10, 4.0, 1.0),
    Population("100 classes", 100, 3.0, 0.8),
)


def drawn(population: Population, samples: int, random: np.random.Generator) -> SampleColumns:
    """Return the columns of samples of a population."""
    rows = np.arange(samples)
    label = random.integers(0, population.classes, samples)
    scores = random.normal(size=(samples, population.classes))
    scores[rows, label] += population.signal
    log_p = log_softmax(population.signal * scores / population.temperature, axis=1)
    of_label, p = log_p[rows, label], np.exp(log_p)
    return {
        "prediction": log_p.argmax(axis=1).astype(np.int32),
        "entropy": -(p * log_p).sum(axis=1),
        "confidence": p.max(axis=1),
        "sum_of_squares": (p**2).sum(axis=1),
        "label": label.astype(np.int32),
        "label_rank": (log_p > of_label[:, None]).sum(axis=1).astype(np.int32),
        "loss": -of_label,
    }


def population_values(population: Population) -> dict[str, float | None]:
    """Return the metrics of a population, from a million samples."""
    random = np.random.default_rng(99)
    parts = [drawn(population, 50_000, random) for _ in range(20)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {metric.name: metric.value(columns, population.classes) for metric in metrics_of(columns.keys())}


def simulated(
    population: Population, samples: int, resamples: int, truth: dict[str, float | None], seed: int
) -> dict[str, tuple[bool, bool, float]]:
    """Return for each metric of one simulated data set whether its interval is too low, too high, and its width."""
    columns = drawn(population, samples, np.random.default_rng([seed, samples, population.classes]))
    found = estimates(
        metrics_of(columns.keys()),
        {"method": columns},
        population.classes,
        Resampling(samples, resamples, f"of {seed}"),
    )["method"]
    ends = {name: (measured.estimate.ci_low, measured.estimate.ci_high) for name, measured in found.items()}
    return {
        name: (high < truth[name], low > truth[name], high - low)
        for name, (low, high) in ends.items()
        if low is not None and high is not None
    }


def _rows(population: Population, samples: int, arguments: argparse.Namespace) -> list[dict[str, object]]:
    truth = population_values(population)
    one = partial(simulated, population, samples, arguments.resamples, truth)
    outcomes: dict[str, list[tuple[bool, bool, float]]] = defaultdict(list)
    with ProcessPoolExecutor(arguments.threads or 2) as pool:
        for found in pool.map(one, range(arguments.simulations), chunksize=20):
            for metric, outcome in found.items():
                outcomes[metric].append(outcome)
    rows: list[dict[str, object]] = []
    for metric, of_metric in outcomes.items():
        too_low, too_high, width = np.mean(of_metric, axis=0)
        rows.append(
            {
                "population": population.name,
                "samples": samples,
                "metric": metric,
                "value": truth[metric],
                "held, %": 100 * (1 - too_low - too_high),
                "interval too low, %": 100 * too_low,
                "too high, %": 100 * too_high,
                "mean width": width,
                "intervals": len(of_metric),
            }
        )
    return rows


def main() -> None:
    """Simulate and print the table."""
    parser = options(__doc__)  # ignores --arch, --batch, --device, --dtype and --runs
    parser.add_argument("--samples", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--population", choices=[one.name for one in POPULATIONS], help="default: all")
    arguments = parser.parse_args()
    chosen = [one for one in POPULATIONS if arguments.population in (None, one.name)]
    rows = []
    for population in chosen:
        for samples in arguments.samples:
            rows += _rows(population, samples, arguments)
            report("coverage_of_intervals", rows, arguments)  # each time, so that a long run can be cut short


if __name__ == "__main__":
    sys.exit(main())
