"""`dawin quickstart`: build a small real example and run the whole pipeline on it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.options import add_store, store_url

if TYPE_CHECKING:
    from storage.store import Store

EXAMPLES = (
    "dawin quickstart",
    "dawin quickstart --multi-task --store /tmp/digits",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--multi-task` and `--store`."""
    parser.add_argument(
        "--multi-task", action="store_true", help="four tasks, and every method that merges models of several tasks"
    )
    add_store(parser)


def execute(options: argparse.Namespace) -> int:
    """Build the example unless it is complete, run its experiment and print the next steps."""
    from flows.cli.bars import bars
    from flows.cli.running import run_and_show
    from flows.experiment.file import load_experiment
    from flows.quickstart import multi_task, one_task
    from flows.workers.embedded_api import prefect_api

    example = multi_task.EXAMPLE if options.multi_task else one_task.EXAMPLE
    if example.is_built:
        print(f"example: {example.folder} is complete, nothing to train")
    else:
        work = f"rendering the digits and training {example.models} into {example.folder}"
        print(f"example: {work} (about a minute)", flush=True)
        prefect_api.start()
        with bars():
            example.build()
    plan = run_and_show(load_experiment(str(example.file)), store_url(options))
    _print_next_steps(plan.store, example.file)
    return 0


def _print_next_steps(store: "Store", file: Path) -> None:
    readable = store.url.removeprefix("file://")
    print(f"store:   {store.url}")
    print(f'polars:  pl.scan_parquet("{readable}/results/**/*.parquet", hive_partitioning=True).collect()')
    print("runs:    .venv/bin/prefect server start, then http://127.0.0.1:4200")
    print(f"next:    .venv/bin/dawin run {file} --set merge.clusters=5")
