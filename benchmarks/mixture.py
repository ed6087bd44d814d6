"""Seconds and peak memory of a fit of the Beta mixture, or with `--models` of the Dirichlet mixture, by samples.

The limit is one pass over the statistics of the samples in each iteration: n × 4 numbers of 8 bytes (3 M with M models)
and K exponentials for each sample.
"""

import argparse
import time

from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.reporting import report


def _fit_dirichlet(samples: int, components: int, models: int, seed: int) -> None:
    """Fit samples of known components, each in favour of one model; print seconds, iterations and convergence."""
    import numpy as np

    from tasks.numerics.dirichlet_mixture import DirichletMixture

    random = np.random.default_rng(seed)
    alpha = np.ones((components, models)) + 8 * np.eye(components, models)
    component = random.integers(0, components, samples)
    x = np.empty((samples, models))
    for k in range(components):
        x[component == k] = random.dirichlet(alpha[k], int((component == k).sum()))
    start = time.perf_counter()
    mixture = DirichletMixture(components, random_state=seed).fit(x)
    print(f"{time.perf_counter() - start} {mixture.n_iter_} {mixture.converged_}")


def _fit(samples: int, components: int, seed: int) -> None:
    """Fit samples of three overlapping components and noise; print seconds, iterations and convergence."""
    import numpy as np

    from tasks.numerics.beta_mixture import BetaMixture

    random = np.random.default_rng(seed)
    component = random.integers(0, 4, samples)
    alpha, beta = np.array([[2, 9], [6, 6], [9, 2], [1, 1]]).T
    x = random.beta(alpha[component], beta[component])
    BetaMixture(components, random_state=0).fit(x[:1000])  # so that costs of the first call are not measured
    start = time.perf_counter()
    mixture = BetaMixture(components, n_init=3, random_state=seed).fit(x)
    print(f"{time.perf_counter() - start} {mixture.n_iter_} {mixture.converged_}")


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__)  # ignores --arch, --batch, --device and --dtype
    parser.add_argument("--samples", type=int, nargs="+", default=[50_000, 500_000, 5_000_000])
    parser.add_argument("--components", type=int, default=3)
    parser.add_argument("--models", type=int, default=2, help="with more than two, the Dirichlet mixture")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        if arguments.models > 2:
            _fit_dirichlet(arguments.one, arguments.components, arguments.models, seed=1)
        else:
            _fit(arguments.one, arguments.components, seed=1)
        return
    rows = []
    for samples in arguments.samples:
        outcomes = []
        for _ in range(arguments.runs):
            ended = run_child(
                [
                    *("-m", "benchmarks.mixture", "--one", str(samples)),
                    *("--components", str(arguments.components), "--models", str(arguments.models)),
                ],
                **children_environment(arguments),
            )
            seconds, iterations, _ = ended.shown.split()[-3:]
            outcomes.append((float(seconds), int(iterations), ended.peak_mib))
        outcomes.sort()
        seconds, iterations, peak = outcomes[len(outcomes) // 2]
        rows.append({"samples": samples, "median s": seconds, "last start's iterations": iterations, "peak MiB": peak})
    report("mixture", rows, arguments)


if __name__ == "__main__":
    main()
