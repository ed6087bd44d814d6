"""`dawin store verify`: find what is damaged in a store, and move it aside."""

import argparse

from flows.cli.options import add_json, add_quiet, add_store, store_url

EXAMPLES = (
    "dawin store verify",
    "dawin store verify --repair",
    "dawin store verify --store s3://bucket/dawin --json",
)
DESCRIPTION = """Read everything in a store, and name what is damaged: objects that differ from their manifests,
records, pointers and the catalogue. Files that killed processes left are named too, and are no
damage. The exit status is 1 if damage is found, or is left after --repair."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--repair`, `--store`, `--json` and `-q`."""
    parser.description = f"{parser.description}\n\n{DESCRIPTION}"
    parser.add_argument(
        "--repair",
        action="store_true",
        help="move what is damaged to the store's folder damaged/, so that the next run computes it again; write "
        "pointers and the catalogue again",
    )
    add_store(parser)
    add_json(parser)
    add_quiet(parser)


def execute(options: argparse.Namespace) -> int:
    """Verify the store and print its faults."""
    from flows.cli.bars import bars
    from flows.display.consoles import standard_output
    from flows.reports.tables import refuse_absent
    from flows.upkeep.verify import verify
    from flows.upkeep.verify_text import verify_document, verify_text
    from storage.store import Store, open_store

    refuse_absent(Store(store_url(options)))
    store = open_store(store_url(options), writable=options.repair)
    with bars(options):
        verified = verify(store, repair=options.repair)
    document = verify_document(verified, store.url)
    print(document.model_dump_json(indent=2) if options.json else verify_text(document, standard_output().width))
    return 0 if document.is_sound else 1
