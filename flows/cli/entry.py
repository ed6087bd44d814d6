"""The command line: `dawin quickstart | run | plan | results | leaderboard | watch | calibrate | inspect | convert`.

Exit status: 0 done; 1 a run failed; 2 the request is wrong.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.cli.bars import bars
from flows.cli.terminal import Parser, failure, one_line
from flows.errors import ExperimentError
from flows.experiment.file import load_experiment, named_experiments
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoint_records import checkpoint_file
from flows.planning.plan import Plan
from flows.reports.plan_text import facts_text, steps_text
from flows.reports.tables import FORMATS, render, results_of, table_of
from flows.workers.embedded_api import keep_errors_short, revive_prefect_api, start_prefect_api, trouble, wait_for_api
from storage.errors import StorageError
from storage.pointers import experiments, point_to_latest
from storage.store import Store, open_store
from tasks.errors import InputError

DEFAULT_STORE = "./dawin-store"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
    except (InputError, StorageError) as error:
        print(f"dawin: {one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dawin: interrupted; the next run goes on from what is in the store", file=sys.stderr)
        return 1
    except Exception as error:
        if os.environ.get("DAWIN_TRACEBACK"):
            raise
        reason = trouble()
        said = f"the run failed: {reason}" if reason else f"{failure(error)} (DAWIN_TRACEBACK=1 shows where)"
        print(f"dawin: {said}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="dawin", description="Training-free, per-sample interpolation of CLIP weights.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    store = Parser(add_help=False)
    store.add_argument(
        "--store",
        default=None,
        metavar="URI",
        help=f"where everything is kept (default: $DAWIN_STORE or {DEFAULT_STORE})",
    )
    experiment = Parser(add_help=False, parents=[store])
    experiment.add_argument("experiment", metavar="EXPERIMENT.yaml|NAME")
    experiment.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting, such as merge.clusters=5"
    )

    quickstart = commands.add_parser(
        "quickstart", parents=[store], help="build a small example and run everything on it"
    )
    quickstart.add_argument("--multi-task", action="store_true", help="four tasks, every method of merging them")
    quickstart.set_defaults(command=_quickstart)
    run = commands.add_parser("run", parents=[experiment], help="run an experiment")
    run.set_defaults(command=_run)
    plan = commands.add_parser("plan", parents=[experiment], help="what would run, and what is there already")
    plan.set_defaults(command=_plan)
    results = commands.add_parser("results", parents=[store], help="show results")
    results.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="default: all")
    results.add_argument("--format", choices=FORMATS, default="table")
    results.set_defaults(command=_results)
    board = commands.add_parser("leaderboard", parents=[store], help="every run: a row a checkpoint and method")
    board.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="default: all")
    board.add_argument("--format", choices=FORMATS, default="table")
    board.set_defaults(command=_leaderboard)
    watch = commands.add_parser("watch", parents=[experiment], help="look for new checkpoints, and run them")
    watch.add_argument("--once", action="store_true", help="look once; else every so often")
    watch.add_argument("--every", type=float, default=300.0, metavar="SECONDS", help="default: 300")
    watch.set_defaults(command=_watch)
    calibrate = commands.add_parser(
        "calibrate", parents=[experiment], help="fit a temperature for each model on a labelled data set"
    )
    calibrate.add_argument("--on", metavar="DATASET", help="default: the first one of group id, else the first")
    calibrate.set_defaults(command=_calibrate)
    _add_checkpoint_commands(commands)
    return parser


def _add_checkpoint_commands(commands: Any) -> None:  # noqa: ANN401  argparse keeps the class to itself
    inspect = commands.add_parser("inspect", help="say what a checkpoint is")
    inspect.add_argument("checkpoint", metavar="URI")
    inspect.set_defaults(command=_inspect)
    convert = commands.add_parser("convert", help="write a checkpoint's tower and head as a safetensors file")
    convert.add_argument("checkpoint", metavar="URI")
    convert.add_argument("target", metavar="FILE")
    convert.set_defaults(command=_convert)


def _store_url(options: argparse.Namespace) -> str:
    return options.store or os.environ.get("DAWIN_STORE") or DEFAULT_STORE


def _run(options: argparse.Namespace) -> int:
    _execute(load_experiment(options.experiment, tuple(options.set)), _store_url(options))
    return 0


def _plan(options: argparse.Namespace) -> int:
    experiment = load_experiment(options.experiment, tuple(options.set))
    plan = checked_plan(experiment, open_store(_store_url(options), writable=False), remember=False)
    print(f"{experiment.name}, run {plan.record.run_id}, store {plan.store.url}\n")
    print(f"{steps_text(plan)}\n\n{facts_text(plan)}")
    for dataset in plan.datasets:
        if dataset.note:
            print(f"\nnote: data set {dataset.name}: {dataset.note}")
    return 0


def _results(options: argparse.Namespace) -> int:
    print(render(results_of(open_store(_store_url(options), writable=False), options.experiment), options.format))
    return 0


def _leaderboard(options: argparse.Namespace) -> int:
    from flows.reports.leaderboard import leaderboard

    store = open_store(_store_url(options), writable=False)
    print(table_of(leaderboard(store, options.experiment), options.format))
    return 0


def _watch(options: argparse.Namespace) -> int:
    load_experiment(options.experiment, tuple(options.set))  # wrong ones end here
    if options.set:
        raise ExperimentError("watch: settings are those of the file, which deployments read too; --set has no place")
    store = open_store(_store_url(options))
    start_prefect_api()
    from flows.watch_checkpoints import watch_checkpoints

    wait_for_api()
    keep_errors_short()
    while True:
        try:
            revive_prefect_api()
            with bars():
                started = asyncio.run(watch_checkpoints(str(_absolute(options.experiment)), store.url))
            print(f"{len(started)} runs started" + "".join(f"\n  {url}" for url in started), flush=True)
        except Exception as error:
            if options.once:
                raise
            said = f"{one_line(trouble() or error)}; the next look is in {options.every:g} s"
            print(f"dawin: {said}", file=sys.stderr, flush=True)
        if options.once:
            return 0
        time.sleep(options.every)


def _absolute(experiment: str) -> str:
    return experiment if experiment in named_experiments() else str(Path(experiment).resolve())


def _calibrate(options: argparse.Namespace) -> int:
    experiment = load_experiment(options.experiment, tuple(options.set))
    names = [dataset.name for dataset in experiment.datasets]
    labelled = [dataset.name for dataset in experiment.datasets if dataset.group == "id"]
    chosen = options.on or (labelled or names)[0]
    if chosen not in names:
        raise ExperimentError(f"--on {chosen}: no such data set; there are {', '.join(names)}")
    store = open_store(_store_url(options))
    checked_plan(experiment.models_on(chosen), store)
    start_prefect_api()
    from flows.calibrate_models import calibrate_models

    wait_for_api()
    keep_errors_short()
    with bars():
        found = asyncio.run(calibrate_models(experiment, chosen, store.url))
    print(f"on {chosen}, negative log-likelihood and expected calibration error before → after:\n")
    for name, (fit, before, after) in found.items():
        loss = f"{fit.before:.4f} → {fit.after:.4f}"
        print(f"  {name:<12} temperature: {fit.temperature:.4f}   {loss}   {before:.4f} → {after:.4f}")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    from tasks.opening.inspect_checkpoint import inspect_checkpoint

    for name, value in inspect_checkpoint(checkpoint_file(options.checkpoint, "inspect")).items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name:<11} {shown}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from tasks.opening.convert_checkpoint import convert_checkpoint

    header = convert_checkpoint(checkpoint_file(options.checkpoint, "convert"), Path(options.target))
    print(f"{options.target}: {header['family']}, from {header['source']}")
    return 0


def _quickstart(options: argparse.Namespace) -> int:
    from flows.quickstart import example, multi_task

    if options.multi_task:
        folder, built, build = Path("dawin-multi-task"), multi_task.is_built, multi_task.build_tasks
        file, told = folder / "digit-tasks.yaml", "five small models"
    else:
        folder, built, build = Path("dawin-quickstart"), example.is_built, example.build_example
        file, told = folder / "digits.yaml", "two small models"
    if built(folder):
        print(f"example: {folder} is there, nothing to train")
    else:
        print(f"example: rendering the digits and training {told} into {folder} (about a minute)", flush=True)
        start_prefect_api()
        with bars():
            build(folder)
    plan = _execute(load_experiment(str(file)), _store_url(options))
    _next_steps(plan.store, file)
    return 0


def _execute(experiment: Experiment, url: str) -> Plan:
    """Run what an experiment lacks, and show its results."""
    store = open_store(url)
    if experiment.name not in experiments(store):
        _need_prefect()  # something will have to run: the API starts while the inputs are looked at
    plan = checked_plan(experiment, store)
    if plan.is_done:
        point_to_latest(store, experiment.name, plan.record.run_id)
        print("nothing to run, all of it is in the store:\n")
        print(steps_text(plan))
    else:
        _run_flow(experiment, store)
    print(f"\n{render(results_of(store, experiment.name, plan.record.run_id), 'table')}\n")
    print("top-1 accuracy, %; (labels): uses the true labels, no method for unlabelled data")
    print(f"results: {store.address(plan.record.key)}")
    return plan


def _need_prefect() -> None:
    """Have an API, and where there is a pool to send children to see that it is fit for them."""
    start_prefect_api()
    from flows.workers.pool import check_pool, pool

    if pool():
        wait_for_api()
        asyncio.run(check_pool())


def _run_flow(experiment: Experiment, store: Store) -> None:
    _need_prefect()
    from prefect import tags

    from flows.run_experiment import run_experiment
    from flows.workers.tags import tags_of

    wait_for_api()
    keep_errors_short()
    with bars(), tags(*tags_of(experiment)):
        asyncio.run(run_experiment(experiment, store.url))


def _next_steps(store: Store, file: Path) -> None:
    readable = store.url.removeprefix("file://")
    print(f"store:   {store.url}")
    print(f'polars:  pl.scan_parquet("{readable}/results/**/*.parquet", hive_partitioning=True).collect()')
    print("runs:    .venv/bin/prefect server start, then http://127.0.0.1:4200")
    print(f"next:    .venv/bin/dawin run {file} --set merge.clusters=5")


if __name__ == "__main__":
    sys.exit(main())
