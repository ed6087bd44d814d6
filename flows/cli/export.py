"""`dawin export`: write the merged model of a method to a folder for others."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.options import add_experiment, add_json, add_quiet, add_store, experiment_of, store_url
from flows.exporting.request import FORMATS, ONNX

if TYPE_CHECKING:
    from flows.exporting.export import Exported

EXAMPLES = (
    "dawin export my.yaml --method dawin/clusters-3 --dataset clean -o exported",
    "dawin export my.yaml --method wise-ft/0.50 --format hugging-face -o exported",
)
DESCRIPTION = """Writes one model for a static merge, a made model or an individual one; a model for each cluster
or bin, with the sources that the router compares; or all source models where each sample has its
own merge. `dawin.json` records their origin, and router.py chooses among them with torch alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--set`, `--method`, `--dataset`, `--format`, `-o`, `--store`, `--json` and `-q`."""
    parser.description = f"{parser.description}\n\n{DESCRIPTION}"
    add_experiment(parser)
    parser.add_argument("--method", required=True, metavar="M", help="the method, by its name in results")
    parser.add_argument(
        "--dataset", metavar="D", help="the data set that it was fitted on, whose head it gets (default: the first)"
    )
    parser.add_argument(
        "--format",
        action="append",
        default=[],
        choices=(*FORMATS, ONNX),
        help=f"a form to write, and again for another (default: {', '.join(FORMATS)}, where they can hold the tower)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="the folder to write, new or empty"
    )
    add_store(parser)
    add_json(parser)
    add_quiet(parser)


def execute(options: argparse.Namespace) -> int:
    """Write the folder, then print its files with their sizes."""
    experiment = experiment_of(options)
    from flows.cli.bars import bars
    from flows.exporting.export import export  # loads torch
    from flows.exporting.request import ExportRequest
    from flows.planning.requests import store_of

    request = ExportRequest(
        experiment=experiment,
        method=options.method,
        dataset=options.dataset,
        formats=tuple(options.format),
        folder=options.output,
        file=options.experiment,
        settings=tuple(options.set),
        store=options.store,
    )
    store = store_of(experiment, store_url(options))
    with bars(options, "checking the inputs"):
        found = export(request, store)
    if options.json:
        from flows.reports.json_documents import export_document

        print(export_document(found.folder, found.record, found.sizes, found.notes).model_dump_json(indent=2))
    else:
        _print(found, quiet=options.quiet)
    return 0


def _print(found: "Exported", *, quiet: bool) -> None:
    from flows.reports.text_tables import human_bytes

    record = found.record
    where = f", {record['dataset']}" if record["dataset"] else ""
    print(
        f"{found.folder}: {record['method']} of {record['experiment']}{where}, {human_bytes(sum(found.sizes.values()))}"
    )
    if quiet:
        return
    width = max(map(len, found.sizes))
    for name, size in found.sizes.items():
        print(f"  {name:<{width}}  {human_bytes(size):>8}")
    for note in found.notes:
        print(f"note: {note}")
