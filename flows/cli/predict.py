"""`dawin predict`: apply a method, as it was fitted on one data set, to other images."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.numbers_given import positive
from flows.cli.options import (
    add_experiment,
    add_json,
    add_store,
    add_verbosity,
    experiment_of,
    store_url,
    work_pool,
)

if TYPE_CHECKING:
    from flows.planning.other_images import OtherImages

EXAMPLES = (
    "dawin predict my.yaml --method dawin/clusters-3 --dataset clean --images tomorrow -o tomorrow.parquet",
    "dawin predict my.yaml --method dawin/samples --dataset clean --images s3://bucket/new -o new.parquet --adapt",
    "dawin predict my.yaml --method wise-ft/0.50 --dataset clean --images 'shards/*.tar' --limit 1000 -o few.parquet",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, the method, its data set, the images, the file, `--adapt`, and the options of a run."""
    add_experiment(parser)
    parser.add_argument("--method", required=True, metavar="M", help="the method, as results name it")
    parser.add_argument(
        "--dataset", required=True, metavar="D", help="the data set of the experiment on which the method was fitted"
    )
    parser.add_argument(
        "--images",
        required=True,
        metavar="URI",
        help="a folder, files or an s3:// address, in any format that data sets have; labels are not needed",
    )
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="a new file, .parquet")
    parser.add_argument(
        "--adapt", action="store_true", help="fit offset and clusters to these images, in place of those of D"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="predict at most N images, spread evenly over them")
    add_store(parser)
    add_json(parser)
    add_verbosity(parser)


def execute(options: argparse.Namespace) -> int:
    """Compute the missing predictions, write the file, and print what it holds."""
    from flows.cli.bars import bars
    from flows.running.local_prediction import check_file, predict_here

    check_file(options.output)
    experiment = experiment_of(options)
    with bars(options, "checking the inputs") as screen:
        found = predict_here(
            experiment,
            store_url(options),
            method=options.method,
            dataset=options.dataset,
            images=options.images,
            file=options.output,
            limit=options.limit,
            adapt=options.adapt,
            on_plan=lambda plan: screen.plan(plan, pool=work_pool()),
            verbose=screen.is_verbose,
        )
    _print(options, found)
    return 0


def _print(options: argparse.Namespace, found: "OtherImages") -> None:
    """Print the contents of the file: in words, or as one JSON document."""
    from flows.reports.prediction_summary import prediction_document, summary_lines

    document = prediction_document(options.output, found)
    if options.json:
        print(document.model_dump_json(indent=2))
        return
    for line in summary_lines(document):
        print(line)
