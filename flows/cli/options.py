"""Arguments that several commands share, and their values."""

import argparse
import os
from typing import TYPE_CHECKING

from flows.reports.formats import FORMATS

if TYPE_CHECKING:
    from flows.experiment.settings import Experiment

DEFAULT_STORE = "./dawin-store"


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add `--store`."""
    parser.add_argument(
        "--store",
        default=None,
        metavar="URI",
        help=f"folder or s3:// address that keeps everything (default: $DAWIN_STORE or {DEFAULT_STORE})",
    )


def add_experiment(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, which names a file or a built-in experiment, and `--set`."""
    parser.add_argument(
        "experiment", metavar="EXPERIMENT.yaml|NAME", help="an experiment file, or the name of a built-in experiment"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting, such as merge.clusters=5"
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add an optional `EXPERIMENT`, which names one with results, and `--format`."""
    parser.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="name of an experiment (default: all)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, for commands that print facts."""
    parser.add_argument("--json", action="store_true", help="print one JSON document, for programs")


def add_verbosity(parser: argparse.ArgumentParser) -> None:
    """Add `-q` and `-v`, for commands that run something."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-q", "--quiet", action="store_true", help="print the results alone")
    group.add_argument("-v", "--verbose", action="store_true", help="print Prefect's log lines too")


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add `-q`, for commands that show progress and start no Prefect."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print the results alone")


def add_all(parser: argparse.ArgumentParser) -> None:
    """Add `--all`, for commands that print a short table."""
    parser.add_argument("--all", action="store_true", help="print every method and data set, not the short table")


def store_url(options: argparse.Namespace) -> str:
    """Return the store's address: `--store`, else the environment variable DAWIN_STORE, else `./dawin-store`."""
    return chosen_store(options.store)


def work_pool() -> str | None:
    """Return the work pool that runs the models, without an import of Prefect; None: they run in this process."""
    return os.environ.get("DAWIN_GPU_POOL") or None


def chosen_store(given: str | None) -> str:
    """Return the store's address: the given one, else the environment variable DAWIN_STORE, else `./dawin-store`."""
    return given or os.environ.get("DAWIN_STORE") or DEFAULT_STORE


def experiment_of(options: argparse.Namespace) -> "Experiment":
    """Return the experiment that `EXPERIMENT` names, changed by `--set`.

    Raises:
        ExperimentError: the file is missing or wrong, or a setting is; faults of the store and missing inputs are in
            the same message.
    """
    from flows.planning.requests import checked_experiment

    return checked_experiment(options.experiment, tuple(options.set), store_url(options))
