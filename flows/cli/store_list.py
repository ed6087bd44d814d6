"""`dawin store list`: list the experiments, runs and tables of a store."""

import argparse

from flows.cli.options import add_json, add_store, store_url

EXAMPLES = (
    "dawin store list",
    "dawin store list --store s3://bucket/dawin --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--store` and `--json`."""
    add_store(parser)
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the runs of each experiment, and the objects and bytes of each table."""
    from flows.display.consoles import standard_output
    from flows.reports.store_contents import contents_text, store_contents
    from storage.store import open_store

    contents = store_contents(open_store(store_url(options), writable=False))
    if options.json:
        print(contents.model_dump_json(indent=2))
    else:
        print(contents_text(contents, standard_output().width))
    return 0
