"""Seconds and peak memory of fitting a mixture to coefficients in a local store, and of writing each sample's cluster.

Two models have a Beta mixture, more a Dirichlet mixture. A process of its own writes the coefficients; their seconds
and memory are not counted. The peak memory is that of the process that fits and writes.

Nanoseconds are of a processor, so that other work on the machine does not show in them; seconds are those of a clock.

The limit of an iteration is to read n × M × 8 bytes and to compute, for each sample, two logarithms (M with more than
two models), K exponentials and one logarithm more. The last columns compare an iteration in memory with these
functions alone, on the same samples in the same pieces. The store needs room for 8 (3 M + 2 K) bytes a sample.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.reporting import report

if TYPE_CHECKING:
    from tasks.numerics.checks import Floats
    from tasks.references.coefficients import MixtureReference

_SHARD = 32_768
_BETAS = np.array([[2, 9], [6, 6], [9, 2], [1, 1]])  # three overlapping components and noise
_COMPARED = 1 << 22  # samples, at most, on which an iteration is compared with its limit


def _coefficients(samples: int, models: int, seed: int) -> "Iterator[Floats]":
    """Yield coefficients (n, M) of overlapping components, span by span."""
    for number, start in enumerate(range(0, samples, _SHARD)):
        random, count = np.random.default_rng([seed, number]), min(_SHARD, samples - start)
        if models == 2:
            alpha, beta = _BETAS[random.integers(0, len(_BETAS), count)].T
            tuned = random.beta(alpha, beta)
            yield np.column_stack([1 - tuned, tuned])
        else:
            gamma = random.gamma(1 + 8 * np.eye(models)[random.integers(0, models, count)])
            yield gamma / gamma.sum(axis=1, keepdims=True)


def _reference(samples: int, models: int, components: int) -> "MixtureReference":
    """Return the mixture of a data set that nobody has: only its numbers exist."""
    from fitted import coefficients_of

    from tasks.references.coefficients import MixtureReference

    return MixtureReference(
        coefficients=coefficients_of(samples, _SHARD, models, offset=False), components=components, seed=1
    )


def _write(folder: str, mixture: "MixtureReference") -> None:
    from storage import keys
    from storage.schemas import COEFFICIENTS
    from storage.store import Store
    from storage.tables import TableWriter

    store, reference = Store(folder), mixture.coefficients
    models, identity = len(reference.outputs), reference.identity
    parts = _coefficients(reference.dataset.samples, models, seed=1)
    for span, part in zip(reference.dataset.spans, parts, strict=True):
        key = keys.samples(reference.prefix, span)
        writer = TableWriter(store, key, COEFFICIENTS, identity=identity, widths={"coefficients": models})
        writer.append({"sample_index": np.arange(*span), "coefficients": part})
        writer.commit()


class _Fitted(logging.Handler):
    """Notes when a fit logs its clusters: the fit has ended, and the writing of samples begins."""

    at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if "clusters of" in record.msg:
            self.at = time.perf_counter()


def _fit(folder: str, mixture: "MixtureReference") -> None:
    """Fit the mixture and write its tables; print the seconds of each, processor seconds, and iterations."""
    from storage.schemas import COMPONENTS
    from storage.store import Store
    from storage.tables import read_table
    from tasks.fitting import fit_mixture

    store, fitted = Store(folder), _Fitted()
    logging.getLogger("dawin.fitting").addHandler(fitted)
    logging.getLogger("dawin.fitting").setLevel(logging.INFO)
    start = time.perf_counter()
    fit_mixture.fn(mixture, store)
    end = time.perf_counter()
    table = read_table(store, mixture.components_key, COMPONENTS, ["iterations"])
    print(fitted.at - start, end - fitted.at, time.process_time(), table["iterations"][0])


def _compare(samples: int, models: int, components: int) -> None:
    """Print nanoseconds a sample of an iteration in memory, and of its logarithms and exponentials alone."""
    import warnings

    from tasks.numerics.beta_mixture import BetaMixture
    from tasks.numerics.dirichlet_mixture import DirichletMixture
    from tasks.numerics.pieces import PIECE

    x = np.concatenate(list(_coefficients(samples, models, seed=1)))
    family, x = (BetaMixture, np.ascontiguousarray(x[:, 1])) if models == 2 else (DirichletMixture, x)
    warnings.simplefilter("ignore")  # both fits are cut short

    def seconds(iterations: int) -> float:
        start = time.process_time()
        family(components, n_init=1, max_iter=iterations, tol=1e-300, random_state=1).fit(x)
        return time.process_time() - start

    seconds(1)
    few, many = seconds(2), seconds(12)
    counted = samples + min(samples, family.start_samples) * (samples > family.start_samples)
    start = time.process_time()
    for first in range(0, samples, PIECE):
        piece = x[first : first + PIECE]
        np.log(piece)
        if models == 2:
            np.log1p(-piece)
        for _ in range(components):
            np.exp(piece if models == 2 else piece[:, 0])
        np.log(piece if models == 2 else piece[:, 0])
    print((many - few) / 10 / counted * 1e9, (time.process_time() - start) / samples * 1e9)


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, runs=1)  # ignores --arch, --batch, --device and --dtype
    parser.add_argument("--samples", type=int, nargs="+", default=[50_000, 1_000_000, 10_000_000])
    parser.add_argument("--components", type=int, default=3)
    parser.add_argument("--models", type=int, default=2, help="with more than two, the Dirichlet mixture")
    parser.add_argument("--folder", help="where the temporary store lies (default: that of temporary files)")
    parser.add_argument("--part", choices=["write", "fit", "compare"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = ("--components", str(arguments.components), "--models", str(arguments.models))
    if arguments.part:
        (samples,), models = arguments.samples, arguments.models
        if arguments.part == "compare":
            _compare(min(samples, _COMPARED), models, arguments.components)
        else:
            do = _write if arguments.part == "write" else _fit
            do(arguments.folder, _reference(samples, models, arguments.components))
        return
    rows = []
    for samples in arguments.samples:
        outcomes = []
        for _ in range(arguments.runs):
            with tempfile.TemporaryDirectory(prefix="mixture-", dir=arguments.folder) as folder:
                command = ["-m", "benchmarks.mixture", "--samples", str(samples), *sizes, "--folder", folder, "--part"]
                environment = children_environment(arguments)
                run_child([*command, "write"], **environment)
                fitted, compared = (run_child([*command, part], **environment) for part in ("fit", "compare"))
            fit, write, both, iterations = map(float, fitted.shown.split()[-4:])
            own, limit = map(float, compared.shown.split()[-2:])
            outcomes.append((fit, write, both, int(iterations), fitted.peak_mib, own, limit))
        fit, write, both, last, peak, own, limit = sorted(outcomes)[len(outcomes) // 2]
        rows.append(
            {
                "samples": samples,
                "fit s": fit,
                "write s": write,
                "processor s of both": both,
                "last start's iterations": last,
                "peak MiB": peak,
                "ns a sample and iteration": own,
                "limit ns": limit,
                "ratio": own / limit,
            }
        )
    report("mixture", rows, arguments)


if __name__ == "__main__":
    main()
