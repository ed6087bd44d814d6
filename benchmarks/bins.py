"""Bins and clusters: seconds for all samples, against one plain pass of one model.

The limit is the plain pass; each merge adds about three times the bytes of the weights. The samples are decoded and in
memory, and take the path of the pipeline from blocks in the order of bins to logits.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.options import options, settle
from benchmarks.reporting import report, spread

_PLAIN = "one plain pass"


def _passes(arguments: Any) -> dict[str, tuple[int, Callable[[], object]]]:
    """Return the passes to compare by name: the number of merged models, and a function that runs all samples."""
    import torch

    from benchmarks.models import classifiers, preprocessing_of
    from tasks.merging.merged_models import FlatWeights, MergedModels
    from tasks.numerics.bins import bin_coefficients
    from tasks.numerics.clustering import cluster_coefficients
    from tasks.streaming.images import BLOCK
    from tasks.streaming.inference import Inference
    from tasks.streaming.merger import run_shared

    model, states = classifiers(arguments.arch, 2, arguments.device)
    inference = Inference(preprocessing_of(model), arguments.dtype, arguments.batch)
    side = preprocessing_of(model).size
    images = torch.randint(0, 256, (arguments.samples, 3, side, side), dtype=torch.uint8, device=arguments.device)
    tuned = np.random.default_rng(0).beta(6, 5, arguments.samples)
    own = np.column_stack([1 - tuned, tuned])
    binning = bin_coefficients(own, arguments.bins)
    clustering = cluster_coefficients(own, arguments.clusters, seed=0)
    clusters, weights = clustering.clusters.coefficients, FlatWeights(states)

    def plain() -> None:
        for start in range(0, len(images), arguments.batch):
            inference.logits(model, images[start : start + arguments.batch])

    def grouped(assignment: Any, coefficients: Any, places: int) -> None:
        pool = MergedModels(model, weights, places)
        order = np.argsort(assignment, kind="stable")
        for start in range(0, len(order), BLOCK):
            chosen = order[start : start + BLOCK]
            run_shared(inference, pool, images[torch.from_numpy(chosen)], coefficients[assignment[chosen]])

    return {
        _PLAIN: (1, plain),
        f"{arguments.bins} bins": (
            len(binning.coefficients),
            lambda: grouped(binning.assignment, binning.coefficients, 0),
        ),
        f"{arguments.clusters} clusters": (
            arguments.clusters,
            lambda: grouped(clustering.assignment, clusters, arguments.clusters),
        ),
    }


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, arch="ViT-S-32-alt", batch=256, runs=2)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--bins", type=int, default=64)
    parser.add_argument("--clusters", type=int, default=3)
    arguments = parser.parse_args()
    settle(arguments)
    from benchmarks.models import in_turn, ratio

    passes = _passes(arguments)
    seconds = in_turn({name: run for name, (_, run) in passes.items()}, arguments)
    rows = [
        {"pass": name, "models": passes[name][0], "s": spread(values), "× plain": ratio(values, seconds[_PLAIN])}
        for name, values in seconds.items()
    ]
    report("bins", rows, arguments)


if __name__ == "__main__":
    sys.exit(main())
