"""`dawin quickstart`: build a small real example and run the whole pipeline on it."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.options import add_store, add_verbosity, store_url

if TYPE_CHECKING:
    from flows.quickstart.example import Example

EXAMPLES = (
    "dawin quickstart",
    "dawin quickstart --multi-task --store /tmp/digits",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--multi-task`, `--store`, `-q` and `-v`."""
    parser.add_argument(
        "--multi-task", action="store_true", help="four tasks, and every method that merges models of several tasks"
    )
    add_store(parser)
    add_verbosity(parser)


def execute(options: argparse.Namespace) -> int:
    """Build the example unless it is complete, then run its experiment and show the results."""
    from flows.cli.running import run_and_show
    from flows.experiment.file import load_experiment
    from flows.quickstart.examples import MULTI_TASK, ONE_TASK
    from storage.store import open_store

    example, url = MULTI_TASK if options.multi_task else ONE_TASK, store_url(options)
    open_store(url, writable=False)  # one that cannot be used is refused before anything is built
    if not example.is_built:
        _build(example, url, options)
    elif not options.quiet:
        print(f"example: {example.folder} is complete, nothing to train")
    run_and_show(load_experiment(str(example.file)), url, file=str(example.file), options=options)
    return 0


def _build(example: "Example", url: str, options: argparse.Namespace) -> None:
    """Build an example, and say what is done unless quiet; the embedded API starts meanwhile."""
    from flows.cli.bars import bars
    from flows.workers.embedded_api import prefect_api

    if not options.quiet:
        work = f"rendering digits and training {example.models} into {example.folder}"
        print(f"example: {work} (less than a minute)", flush=True)
    prefect_api.start()
    fitted: dict[str, float] = {}

    def fit(file: Path, dataset: str) -> Mapping[str, float]:
        fitted.update(_temperatures(file, dataset, url, options.verbose))
        return fitted

    with bars(options):
        example.build(fit)
    if fitted and not options.quiet:
        listed = ", ".join(f"{model} {temperature:.3g}" for model, temperature in fitted.items())
        print(f"calibrated on held-out images, temperatures: {listed}", flush=True)


def _temperatures(file: Path, dataset: str, url: str, verbose: bool) -> dict[str, float]:
    """Return the temperature of each model of an experiment file, fitted on one of its data sets."""
    from flows.experiment.file import load_experiment
    from flows.running.local_calibration import calibrate_here

    found = calibrate_here(load_experiment(str(file)), dataset, url, verbose)
    return {model: calibrated.fit.temperature for model, calibrated in found.items()}
