"""`dawin convert`: write a checkpoint's vision tower and head to a safetensors file."""

import argparse
from pathlib import Path

EXAMPLES = ("dawin convert finetuned.pt finetuned.safetensors",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `URI` and `FILE`."""
    parser.add_argument("checkpoint", metavar="URI", help="a file, or a folder as on the Hugging Face Hub")
    parser.add_argument("target", metavar="FILE", help="the file to write; an existing file is not overwritten")


def execute(options: argparse.Namespace) -> int:
    """Write the safetensors file, then print its family and source."""
    from flows.planning.checkpoint_records import existing_checkpoint

    checkpoint = existing_checkpoint(options.checkpoint, "convert")
    from tasks.opening.convert_checkpoint import convert_checkpoint  # loads torch

    header = convert_checkpoint(checkpoint, Path(options.target))
    print(f"{options.target}: {header['family']}, from {header['source']}")
    return 0
