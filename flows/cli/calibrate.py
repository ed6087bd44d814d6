"""`dawin calibrate`: fit a temperature for each model of an experiment on a labelled data set."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from flows.cli.options import add_experiment, add_store, add_verbosity, experiment_of, store_url

if TYPE_CHECKING:
    from flows.experiment.settings import Experiment

EXAMPLES = ("dawin calibrate my.yaml --on clean",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--set`, `--store`, `--on`, `-q` and `-v`."""
    add_experiment(parser)
    add_store(parser)
    add_verbosity(parser)
    parser.add_argument(
        "--on", metavar="DATASET", help="the labelled data set (default: the first of group id, else the first)"
    )


def execute(options: argparse.Namespace) -> int:
    """Extract the outputs on one data set, then print each model's temperature, loss and calibration error."""
    from flows.cli.bars import bars
    from flows.planning.check import checked_plan
    from flows.planning.requests import store_of
    from flows.planning.written_plan import write_plan
    from flows.workers.embedded_api import keep_errors_short, prefect_api

    experiment = experiment_of(options)
    dataset = _dataset(experiment, options.on)
    store = store_of(experiment, store_url(options))
    plan = write_plan(checked_plan(experiment.models_on(dataset), store))
    prefect_api.start()
    from flows.calibrate_models import calibrate_models

    prefect_api.wait()
    keep_errors_short(options.verbose)
    with bars(options):
        found = asyncio.run(calibrate_models(experiment, dataset, store.url, plan))
    print(f"on {dataset}, negative log-likelihood and expected calibration error before → after:\n")
    for name, (fit, before, after) in found.items():
        loss = f"{fit.before:.4f} → {fit.after:.4f}"
        print(f"  {name:<12} temperature: {fit.temperature:.4f}   {loss}   {before:.4f} → {after:.4f}")
    return 0


def _dataset(experiment: "Experiment", wanted: str | None) -> str:
    """Return the name of the data set to calibrate on."""
    from flows.errors import ExperimentError
    from tasks.errors import did_you_mean

    names = [dataset.name for dataset in experiment.datasets]
    in_distribution = [dataset.name for dataset in experiment.datasets if dataset.group == "id"]
    chosen = wanted or (in_distribution or names)[0]
    if chosen not in names:
        near = did_you_mean(chosen, names) or ";"
        raise ExperimentError(f"--on {chosen}: no such data set{near} the experiment has {', '.join(names)}")
    return chosen
