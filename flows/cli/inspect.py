"""`dawin inspect`: describe a checkpoint."""

import argparse

EXAMPLES = (
    "dawin inspect checkpoints/finetuned.pt",
    "dawin inspect hf://organisation/repository",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `URI`."""
    parser.add_argument("checkpoint", metavar="URI", help="a file, or a folder as on the Hugging Face Hub")


def execute(options: argparse.Namespace) -> int:
    """Print the facts of a checkpoint, one to a line."""
    from flows.planning.checkpoint_records import existing_checkpoint
    from tasks.opening.inspect_checkpoint import inspect_checkpoint

    for name, value in inspect_checkpoint(existing_checkpoint(options.checkpoint, "inspect")).items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name:<11} {shown}")
    return 0
