"""`dawin results`: show the results in a store, for people, programs and papers."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.options import add_all, add_json, add_results, add_store, store_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from flows.reports.chosen_results import Choice
    from flows.reports.run_contents import Predicted
    from storage.store import Store

EXAMPLES = (
    "dawin results",
    "dawin results my-experiment --all",
    "dawin results my-experiment --method dawin wise-ft/0.50 --dataset sketch --metric top5",
    "dawin results my-experiment --format latex",
    "dawin results my-experiment --samples -o predictions.parquet",
)

_NOTHING = (
    "results: none of these methods has predictions on these data sets; one that needs labels is left out where a data "
    "set has none"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--format`, `--json`, `--store`, the filters and `--samples`."""
    add_results(parser)
    add_json(parser)
    add_store(parser)
    parser.add_argument("--metric", metavar="M", help="the metric of the table (default: top1)")
    parser.add_argument("--run", metavar="ID", help="a run, as `dawin store list` names it (default: the latest)")
    parser.add_argument(
        "--method",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATTERN",
        help="methods, families of methods, or patterns such as 'wise-ft/0.?0' (default: all)",
    )
    parser.add_argument(
        "--dataset", nargs="+", action="extend", default=[], metavar="D", help="data sets, or patterns (default: all)"
    )
    add_all(parser)
    parser.add_argument(
        "--samples", action="store_true", help="write the prediction of every sample, with its name, to the file of -o"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="file for --samples, .parquet or .csv; it must not exist yet"
    )


def execute(options: argparse.Namespace) -> int:
    """Print the results of the latest run of one experiment, or of each experiment in the store."""
    from flows.errors import ExperimentError
    from flows.reports.chosen_results import Choice
    from storage.store import open_store

    if options.json and options.format not in ("table", "json"):
        raise ExperimentError(f"results: wanted --json or --format {options.format}, got both")
    if options.samples != (options.output is not None):
        raise ExperimentError("results: --samples and -o FILE belong together, as in --samples -o predictions.parquet")
    store = open_store(store_url(options), writable=False)
    choice = Choice(
        experiment=options.experiment,
        run_id=options.run,
        methods=tuple(options.method),
        datasets=tuple(options.dataset),
    )
    if options.samples:
        return _write_samples(options, store, choice)
    return _print_results(options, store, choice)


def _write_samples(options: argparse.Namespace, store: "Store", choice: "Choice") -> int:
    """Write the predictions of all samples to a file, and print its address and size."""
    from flows.errors import ExperimentError
    from flows.reports.run_contents import predicted
    from flows.reports.sample_table import write_samples

    if not predicted(store, choice):
        raise ExperimentError(_NOTHING)
    if options.metric or options.json:
        raise ExperimentError("results: --samples takes neither --metric nor --json; the file holds every column")
    rows = write_samples(store, choice, options.output)
    print(f"{options.output}: {rows:,} rows, one for each data set, method and sample")
    return 0


def _print_results(options: argparse.Namespace, store: "Store", choice: "Choice") -> int:
    from flows.errors import ExperimentError
    from flows.reports.chosen_results import check_metric, chosen_results, chosen_runs
    from flows.reports.run_contents import predicted
    from flows.reports.tables import render

    runs = chosen_runs(store, choice)
    contents = predicted(store, choice, runs=runs)
    if not contents:
        raise ExperimentError(_NOTHING)
    rows, style = chosen_results(store, choice, runs), "json" if options.json else options.format
    if options.metric:
        check_metric(rows, options.metric)
    if style in ("csv", "json"):
        print(render(rows.filter(metric=options.metric) if options.metric else rows, style))
    elif style == "table":
        _print_tables(options, store, rows, contents)
    else:
        print(render(rows, style, metric=options.metric or "top1"))
    return 0


def _print_tables(
    options: argparse.Namespace, store: "Store", rows: "pl.DataFrame", contents: "Sequence[Predicted]"
) -> None:
    """Print the short table of each experiment, or all rows of it, and where predictions without labels are."""
    from rich.text import Text

    from flows.display.consoles import standard_output
    from flows.display.next_steps import samples_command_of
    from flows.display.results_table import print_results, print_unlabelled

    console, every = standard_output(), options.all or bool(options.method)
    experiments = list(dict.fromkeys(one.experiment for one in contents))
    for name in experiments:
        digests = {one.dataset: one.digest for one in contents if one.experiment == name}
        run_id = next(one.run_id for one in contents if one.experiment == name)
        console.print(Text.assemble((name, "bold"), (f"  run {run_id}", "dim")))
        command = samples_command_of(name, options.store)
        if len(mine := rows.filter(experiment=name)):
            metric = options.metric or "top1"
            print_results(
                console, mine, store, metric=metric, all_rows=every, datasets=digests, samples_command=command
            )
        else:
            print_unlabelled(console, name, digests, store, command=command)
        if name != experiments[-1]:
            console.print()
