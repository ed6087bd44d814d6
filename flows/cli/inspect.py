"""`dawin inspect`: describe a checkpoint."""

import argparse

from flows.cli.options import add_json

EXAMPLES = (
    "dawin inspect checkpoints/finetuned.pt",
    "dawin inspect hf://organisation/repository --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `URI` and `--json`."""
    parser.add_argument("checkpoint", metavar="URI", help="a file, or a folder as on the Hugging Face Hub")
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the facts of a checkpoint, one to a line or as one JSON document."""
    from flows.planning.checkpoint_records import existing_checkpoint

    checkpoint = existing_checkpoint(options.checkpoint, "inspect")
    from tasks.opening.inspect_checkpoint import inspect_checkpoint  # loads torch

    facts = inspect_checkpoint(checkpoint)
    if options.json:
        from flows.reports.json_documents import inspect_document

        print(inspect_document(facts).model_dump_json(indent=2))
        return 0
    for name, value in facts.items():
        print(f"{name:<11} {'none' if value is None else value}")
    return 0
