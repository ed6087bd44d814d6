"""Seconds for all metrics and their intervals, of many methods on several data sets.

The columns are made up, in memory. The limit is the arithmetic that no way of computing them saves: one addition for
each sample, resample and method of every sum that metrics need (classes, bins, ranks), and a product and an addition
for each mean, at the speed of a matrix product on this machine. The limit and the ratio are in seconds of processor
time, since other work on the machine makes the clock's seconds longer.
"""

import sys
import time
from collections.abc import Mapping

import numpy as np

from benchmarks.options import options
from benchmarks.reporting import report
from tasks.numerics.evidence.estimates import estimates
from tasks.numerics.evidence.resampling import RESAMPLES, Resampling
from tasks.numerics.metrics.metric import SampleColumns
from tasks.numerics.metrics.registry import metrics_of

_SUMS = 3  # of n terms: gaps of bins, ranks, and at most one more of errors by class


def made_up(samples: int, classes: int, methods: int, seed: int) -> dict[str, SampleColumns]:
    """Return the columns of methods of about 75 to 85 % accuracy whose confidence says something, on one data set."""
    random = np.random.default_rng(seed)
    label = random.integers(0, classes, samples, np.int32)
    columns: dict[str, SampleColumns] = {}
    for number in range(methods):
        margin = random.normal(1 + 0.02 * number, 1.3, samples)
        right, confidence = margin > 0, 1 / (1 + np.exp(-1.5 * np.abs(margin)))
        columns[f"method {number}"] = {
            "prediction": np.where(right, label, (label + random.integers(1, classes, samples)) % classes),
            "entropy": -2 * np.log(confidence),
            "confidence": confidence,
            "sum_of_squares": confidence**2 + (1 - confidence) ** 2 / 2,
            "label": label,
            "label_rank": np.where(right, 0, random.geometric(0.3, samples)),
            "loss": -np.log(np.where(right, confidence, 0.8 * (1 - confidence))),
        }
    return columns


def _product_speed() -> float:
    """Return the operations of a float32 matrix product in a second of processor time."""
    left, right = np.ones((512, 4096), np.float32), np.ones((4096, 512), np.float32)
    start = time.process_time()
    for _ in range(4):
        left @ right
    return 4 * 2 * left.size * right.shape[1] / (time.process_time() - start)


def _row(methods: Mapping[str, SampleColumns], samples: int, classes: int, datasets: int) -> dict[str, float]:
    columns = next(iter(methods.values()))
    metrics = metrics_of(columns.keys())
    wall, processor = time.perf_counter(), time.process_time()
    for dataset in range(datasets):
        estimates(metrics, methods, classes, Resampling(samples, seed=dataset))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    means = sum(metric.terms is not None for metric in metrics)
    operations = float(samples) * RESAMPLES * len(methods) * datasets * (2 * means + _SUMS)
    limit = operations / _product_speed()
    return {
        "samples": samples,
        "methods": len(methods),
        "data sets": datasets,
        "metrics": len(metrics),
        "s": wall,
        "processor s": processor,
        "limit, processor s": limit,
        "ratio": processor / limit,
    }


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__)  # ignores --arch, --batch, --device, --dtype and --runs
    parser.add_argument("--samples", type=int, nargs="+", default=[50_000])
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--datasets", type=int, default=6)
    parser.add_argument("--classes", type=int, default=1000)
    arguments = parser.parse_args()
    rows = []
    for samples in arguments.samples:
        methods = made_up(samples, arguments.classes, arguments.methods, seed=1)
        rows.append(_row(methods, samples, arguments.classes, arguments.datasets))
    report("evidence", rows, arguments)


if __name__ == "__main__":
    sys.exit(main())
