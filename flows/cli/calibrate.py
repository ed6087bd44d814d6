"""`dawin calibrate`: fit a temperature for each model of an experiment on a labelled data set."""

import argparse
from typing import TYPE_CHECKING

from flows.cli.options import add_experiment, add_json, add_store, add_verbosity, experiment_of, store_url

if TYPE_CHECKING:
    from flows.experiment.settings import Experiment

EXAMPLES = ("dawin calibrate my.yaml --on clean", "dawin calibrate my.yaml --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--set`, `--store`, `--on`, `--json`, `-q` and `-v`."""
    add_experiment(parser)
    add_store(parser)
    add_json(parser)
    add_verbosity(parser)
    parser.add_argument(
        "--on",
        "--dataset",
        metavar="DATASET",
        help="the labelled data set (default: the first of group id, else the first)",
    )


def execute(options: argparse.Namespace) -> int:
    """Extract the outputs on one data set, then print each model's temperature, loss and calibration error."""
    from flows.cli.bars import bars
    from flows.running.local_calibration import calibrate_here

    experiment = experiment_of(options)
    dataset = _dataset(experiment, options.on)
    with bars(options):
        found = calibrate_here(experiment, dataset, store_url(options), options.verbose)
    if options.json:
        from flows.reports.json_documents import calibrate_document

        print(calibrate_document(experiment.name, dataset, found).model_dump_json(indent=2))
        return 0
    if options.on is None:
        print(f"note: {dataset} was chosen; if results are reported on it, name held-out images with --on instead\n")
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
