"""`dawin init`: write an experiment file for the checkpoints and images in a folder."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.options import add_store, store_url

if TYPE_CHECKING:
    from flows.starting_file.writing import Written

EXAMPLES = (
    "dawin init my-models",
    "dawin init --multi-task tasks --output tasks/eight.yaml",
    "dawin init . --checkpoint /models/zeroshot.pt --images /data/sketch s3://bucket/photos",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `FOLDER`, the places of further inputs, `--output` and `--store`."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="holds checkpoints and images, at any depth")
    parser.add_argument(
        "--multi-task",
        action="store_true",
        help="every fine-tuned checkpoint belongs to a task of its own: merge by task vectors",
    )
    parser.add_argument(
        "--checkpoint",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="checkpoints and heads elsewhere: files, folders, or addresses such as hf://organisation/repository",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="data sets elsewhere: folders, patterns, or addresses such as s3://bucket/photos",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write (default: FOLDER/<name of FOLDER>.yaml)",
    )
    add_store(parser)


def execute(options: argparse.Namespace) -> int:
    """Write the experiment file, then print what it holds and what its reader should settle."""
    from flows.starting_file.inputs import Request
    from flows.starting_file.writing import write_file
    from storage.store import open_store

    request = Request(
        folder=options.folder,
        checkpoints=tuple(options.checkpoint),
        images=tuple(options.images),
        output=options.output,
        multi_task=options.multi_task,
    )
    store = open_store(store_url(options), writable=False)
    _print_written(write_file(request, store, _print_file))
    return 0


def _print_file(path: str) -> None:
    """Print the name of a checkpoint that is about to be read: a large one takes a while."""
    from storage.text import shown

    print(f"reading {shown(path)}", file=sys.stderr, flush=True)


def _print_written(written: "Written") -> None:
    from flows.display.next_steps import program
    from storage.text import shown

    draft = written.draft
    print(f"wrote {written.file}")
    print(f"  models     {', '.join(model.name for model in draft.found.models)} (the first is the base)")
    for number, one in enumerate(draft.used):
        print(f"  {'' if number else 'data sets':<9}  {one.name}: {one.described}")
    for reason in draft.left_out:
        print(f"  not used   {shown(reason, 300)}")
    for number, question in enumerate(written.questions):
        print(f"{'' if number else chr(10)}TODO: {shown(question, 2000)}")
    verb = "then" if written.plans else "after that"
    dawin, file = program(), shlex.quote(str(written.file))
    print(f"\nnext: {dawin} plan {file}\n{verb}: {dawin} run {file}")
