"""`dawin watch`: run an experiment for each new checkpoint under its pattern."""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from flows.cli.numbers_given import number
from flows.cli.options import add_experiment, add_store, add_verbosity, experiment_of, store_url
from flows.cli.terminal import one_line

EXAMPLES = (
    "dawin watch watched.yaml --once",
    "dawin watch watched.yaml --every 60 --store s3://bucket/dawin",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--set`, `--store`, `--once`, `--every`, `-q` and `-v`."""
    add_experiment(parser)
    add_store(parser)
    add_verbosity(parser)
    parser.add_argument("--once", action="store_true", help="look once and end; without it, look again and again")
    parser.add_argument(
        "--every", type=number, default=300.0, metavar="SECONDS", help="time between two looks (default: 300)"
    )


def execute(options: argparse.Namespace) -> int:
    """Look for new checkpoints and run the experiment of each, once or until an interrupt."""
    from flows.cli.bars import bars
    from flows.planning.new_checkpoints import refuse_unwatched
    from flows.planning.requests import store_of
    from flows.workers.embedded_api import keep_errors_short, prefect_api

    experiment = experiment_of(options)  # a wrong file is an error now, and not one at every look
    refuse_unwatched(experiment)
    store = store_of(experiment, store_url(options))
    prefect_api.start()
    from flows.watch_checkpoints import watch_checkpoints

    prefect_api.wait()
    keep_errors_short(options.verbose)
    file = _absolute(options.experiment)

    def look() -> list[str]:
        prefect_api.revive()
        with bars(options, "looking for new checkpoints"):
            return asyncio.run(watch_checkpoints(file, store.url, settings=options.set))

    if options.once:
        _print_started(look())
        return 0
    while True:
        look_and_report(look, options.every)
        time.sleep(options.every)


def look_and_report(look: Callable[[], list[str]], every: float) -> None:
    """Look for new checkpoints once; a look that fails is one line on standard error, and no exception.

    Args:
        look: starts the runs and returns the addresses of their checkpoints.
        every: seconds until the next look, for the message.
    """
    from flows.workers.embedded_api import prefect_api

    try:
        _print_started(look())
    except Exception as error:
        reason = one_line(prefect_api.trouble() or error)
        print(f"dawin: {reason}; the next look is in {every:g} s", file=sys.stderr, flush=True)


def _print_started(checkpoints: list[str]) -> None:
    print(f"{len(checkpoints)} runs started" + "".join(f"\n  {url}" for url in checkpoints), flush=True)


def _absolute(experiment: str) -> str:
    """Return the name of a built-in experiment as it is, and any other as an absolute path."""
    from flows.experiment.file import named_experiments

    return experiment if experiment in named_experiments() else str(Path(experiment).resolve())
