"""`dawin results`: show the results in a store, for people, programs and papers."""

import argparse

from flows.cli.options import add_results, add_store, store_url

EXAMPLES = (
    "dawin results",
    "dawin results my-experiment --format latex",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--format` and `--store`."""
    add_results(parser)
    add_store(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the results of the latest run of one experiment, or of each experiment in the store."""
    from flows.reports.tables import render, results_of
    from storage.store import open_store

    print(render(results_of(open_store(store_url(options), writable=False), options.experiment), options.format))
    return 0
