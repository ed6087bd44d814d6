"""The cost of orchestration: the quickstart's data sets with Prefect, against the bare computation.

Both processes start with a new store and a trained example, import their libraries and compute the same tables. The
bare one calls the functions of the tasks in sequence; the other one also starts the embedded API.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.reporting import report, spread


def _overrides(arguments: argparse.Namespace) -> tuple[str, ...]:
    return f"batch_size={arguments.batch}", f"precision={arguments.dtype}"


def _bare(experiment: str, store: str, overrides: tuple[str, ...]) -> None:
    """Compute the tables of `dawin run` without a flow."""
    from flows.experiment.file import load_experiment
    from flows.planning.check import checked_plan
    from storage.store import Store
    from tasks.aggregation import aggregate
    from tasks.ensembling import evaluate_ensembles
    from tasks.evaluation import evaluate_merges
    from tasks.extraction import extract
    from tasks.fitting import fit_bins, fit_coefficients, fit_mixture

    settings = load_experiment(experiment, overrides)
    plan = checked_plan(settings, Store(store))
    for dataset, outputs in zip(plan.datasets, plan.outputs, strict=True):
        extract.fn(outputs, plan.store, reading=settings.reading)
        for coefficients in plan.coefficients(dataset):
            fit_coefficients.fn(coefficients, plan.store)
        for mixture in plan.mixtures(dataset):
            fit_mixture.fn(mixture, plan.store)
        for bins in plan.bins(dataset):
            fit_bins.fn(bins, plan.store)
        evaluate_ensembles.fn(plan.ensembles(dataset), plan.store)
        evaluate_merges.fn(plan.merges(dataset), plan.store, reading=settings.reading)
    aggregate.fn(plan.record, plan.cells, plan.store)


def main() -> None:
    """Measure and print the table."""
    parser = options(__doc__, batch=256)  # ignores --arch: the experiment has its own
    parser.add_argument("--experiment", default="dawin-quickstart/digits.yaml")
    parser.add_argument("--bare", metavar="STORE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        _bare(arguments.experiment, arguments.bare, _overrides(arguments))
        return
    if not Path(arguments.experiment).exists():
        sys.exit(f"{arguments.experiment}: no such file; `dawin quickstart` creates it")
    seconds: dict[str, list[float]] = {"bare": [], "prefect": []}
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/store"
        for _ in range(arguments.runs):  # in turn, so that a change of the machine's speed affects both
            shared = ["--batch", str(arguments.batch), "--dtype", arguments.dtype]
            own = ["-m", "benchmarks.pipeline", "--experiment", arguments.experiment, "--bare", store, *shared]
            flows = ["-m", "flows.cli", "run", arguments.experiment, "--store", store]
            flows += [part for override in _overrides(arguments) for part in ("--set", override)]
            environment = {**children_environment(arguments), "PREFECT_HOME": f"{folder}/prefect"}
            for name, command in (("bare", own), ("prefect", flows)):
                shutil.rmtree(store, ignore_errors=True)
                seconds[name].append(run_child(command, **environment).seconds)
    over = [p - b for p, b in zip(seconds["prefect"], seconds["bare"], strict=True)]
    rows = [{"process": name, "s": spread(values)} for name, values in seconds.items()]
    rows.append({"process": "orchestration (the difference, pair by pair)", "s": spread(over)})
    report("pipeline", rows, arguments)
    print(f"median overhead: {median(over):.1f} s")


if __name__ == "__main__":
    main()
