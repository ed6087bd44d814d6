"""`dawin report`: write the report of a run as one HTML file."""

import argparse
from pathlib import Path

from flows.cli.options import add_json, add_store, store_url

EXAMPLES = (
    "dawin report my-experiment -o report.html",
    "dawin report my-experiment --run r0123456789ab -o report.html",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `-o`, `--run`, `--store`, `-q` and `--json`."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="name of an experiment with results")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE.html",
        help="the file; an existing one is replaced",
    )
    parser.add_argument("--run", metavar="ID", help="a run, as `dawin store list` names it (default: the latest)")
    add_store(parser)
    add_json(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def execute(options: argparse.Namespace) -> int:
    """Write the report, and print its address and size."""
    from flows.pages.page_file import check_page_file, write_page_file
    from flows.pages.report import report_html
    from flows.reports.chosen_results import Choice, experiment_and_run
    from flows.reports.json_models import ReportDocument
    from flows.reports.text_tables import human_bytes
    from storage.pointers import latest_run
    from storage.store import open_store

    check_page_file(options.output)
    store = open_store(store_url(options), writable=False)
    experiment, run_id = experiment_and_run(store, Choice(experiment=options.experiment, run_id=options.run))
    assert experiment is not None  # the argument is required
    run_id = run_id or latest_run(store, experiment)
    content = report_html(store, experiment, run_id).encode()
    write_page_file(options.output, content)
    if options.json:
        facts = ReportDocument(
            file=str(options.output.absolute()), bytes=len(content), experiment=experiment, run_id=run_id
        )
        print(facts.model_dump_json(indent=2))
    elif not options.quiet:
        print(f"{options.output}: {human_bytes(len(content))}, report of {experiment}, run {run_id}")
    return 0
