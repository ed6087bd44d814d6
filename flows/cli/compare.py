"""`dawin compare`: test which methods differ on the same samples, and by how much."""

import argparse
from typing import TYPE_CHECKING

from flows.cli.options import add_json, add_store, store_url
from flows.reports.formats import FORMATS

if TYPE_CHECKING:
    from flows.comparison.comparison import Comparison

EXAMPLES = (
    "dawin compare my-experiment",
    "dawin compare my-experiment dawin/samples wise-ft/0.50 --dataset sketch mean/ood",
    "dawin compare my-experiment dawin --metric top1 nll --json",
    "dawin compare my-experiment --format latex > table.tex",
    "dawin compare my-experiment --with my-other-experiment",
)
_FORMATS = tuple(name for name in FORMATS if name != "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, methods, the filters, `--with`, `--format`, `--json` and `--store`."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="name of an experiment")
    parser.add_argument(
        "methods",
        nargs="*",
        metavar="METHOD",
        help="methods, families or patterns: all pairs of them (default: each method against the best)",
    )
    parser.add_argument("--metric", nargs="+", action="extend", default=[], metavar="M", help="metrics (default: top1)")
    parser.add_argument(
        "--dataset",
        nargs="+",
        action="extend",
        default=[],
        metavar="D",
        help="data sets, means such as mean/ood, or patterns (default: all with labels, and the means of groups)",
    )
    parser.add_argument("--run", metavar="ID", help="a run, as `dawin store list` names it (default: the latest)")
    parser.add_argument(
        "--with",
        dest="other",
        metavar="EXPERIMENT[/RUN]",
        help="compare with the methods of another run: those of the same name, or all of METHOD",
    )
    parser.add_argument("--format", choices=_FORMATS, default="table", help="default: table")
    add_json(parser)
    add_store(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the differences of methods with their intervals and corrected p-values, and keep them in the store."""
    from flows.comparison.compare_methods import compare_methods
    from flows.comparison.comparison_request import Request
    from flows.errors import ExperimentError
    from storage.store import open_store

    if options.json and options.format != "table":
        raise ExperimentError(f"compare: wanted --json or --format {options.format}, got both")
    request = Request(
        experiment=options.experiment,
        run_id=options.run,
        methods=tuple(options.methods),
        metrics=tuple(options.metric) or ("top1",),
        datasets=tuple(options.dataset),
        other=options.other,
    )
    found = compare_methods(open_store(store_url(options), writable=False), request)
    _print(found, "json" if options.json else options.format)
    return 0


def _print(found: "Comparison", style: str) -> None:
    if style == "json":
        from flows.comparison.comparison_document import compare_document

        print(compare_document(found).model_dump_json(indent=2))
    elif style == "csv":
        from flows.comparison.comparison_document import csv_of

        print(csv_of(found))
    elif style == "latex":
        from flows.comparison.comparison_latex import latex_of

        print(latex_of(found))
    elif style == "markdown":
        from flows.comparison.comparison_lines import markdown_of

        print(markdown_of(found))
    else:
        from flows.display.comparison_table import print_comparison
        from flows.display.consoles import standard_output

        print_comparison(standard_output(), found)
