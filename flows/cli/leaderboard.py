"""`dawin leaderboard`: compare all runs in a store."""

import argparse
from pathlib import Path

from flows.cli.options import add_all, add_json, add_results, add_store, store_url

EXAMPLES = (
    "dawin leaderboard",
    "dawin leaderboard my-experiment -o leaderboard.html",
    "dawin leaderboard my-experiment --format csv",
    "dawin leaderboard --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--format`, `--json`, `--store`, `--all` and `-o`."""
    add_results(parser)
    add_json(parser)
    add_store(parser)
    add_all(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.html",
        help="write a page of every checkpoint over time, for a browser; it replaces an existing file",
    )


def execute(options: argparse.Namespace) -> int:
    """Print the methods of each checkpoint, of one experiment or of all, or write them as a page."""
    from flows.errors import ExperimentError
    from flows.reports.leaderboard import leaderboard, leaderboard_document
    from flows.reports.tables import table_of
    from storage.store import open_store

    store, name = open_store(store_url(options), writable=False), options.experiment
    if options.output and (options.json or options.all or options.format != "table"):
        raise ExperimentError("leaderboard: -o writes a page; it takes neither --format nor --json nor --all")
    if options.output:
        from flows.pages.leaderboard_file import save_leaderboard
        from flows.reports.text_tables import human_bytes

        print(f"{options.output}: {human_bytes(save_leaderboard(store, options.output, name))}; open it in a browser")
    elif options.json:
        print(leaderboard_document(store, name).model_dump_json(indent=2))
    elif options.format == "table":
        from flows.display.consoles import standard_output
        from flows.display.leaderboard_lines import print_boards
        from flows.reports.boards import boards
        from storage.catalogue import NEWEST

        newest = None if options.all else NEWEST
        print_boards(standard_output(), boards(store, name, newest), all_rows=options.all)
    else:
        print(table_of(leaderboard(store, name), options.format))
    return 0
