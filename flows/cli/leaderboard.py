"""`dawin leaderboard`: compare all runs in a store."""

import argparse

from flows.cli.options import add_json, add_results, add_store, store_url

EXAMPLES = (
    "dawin leaderboard",
    "dawin leaderboard my-experiment --format csv",
    "dawin leaderboard --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--format`, `--json` and `--store`."""
    add_results(parser)
    add_json(parser)
    add_store(parser)


def execute(options: argparse.Namespace) -> int:
    """Print one row for each checkpoint and method, of one experiment or of all."""
    from flows.reports.leaderboard import leaderboard, leaderboard_document
    from flows.reports.tables import table_of
    from storage.store import open_store

    store = open_store(store_url(options), writable=False)
    if options.json:
        print(leaderboard_document(store, options.experiment).model_dump_json(indent=2))
        return 0
    print(table_of(leaderboard(store, options.experiment), options.format))
    return 0
