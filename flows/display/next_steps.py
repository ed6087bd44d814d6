"""The end of a run's display: where everything is kept, and three commands that continue from here."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from flows.display.header import field, shown_address
from flows.planning.plan import Plan
from storage import keys

_OTHER_CLUSTERS = (5, 3)
_SCRIPT = "dawin"


def kept(plan: Plan) -> Iterator[Text]:
    """Yield the lines that say where the store, the results of a run, and the page that reports them are."""
    yield field("store", shown_address(plan.store.url))
    page = keys.report(plan.record.experiment, plan.record.run_id)
    beside = " and report.html" if plan.store.exists(page) else ""
    yield field("results", shown_address(plan.store.address(plan.record.key)) + beside)


def next_steps(
    plan: Plan, *, file: str, store: str | None, hides: bool, width: int, settings: Sequence[str] = ()
) -> Iterator[Text]:
    """Yield three commands that make sense after a run.

    Args:
        plan: of the run.
        file: the experiment file, or the name of a built-in experiment.
        store: the value of `--store`; None: the commands find the store without it.
        hides: whether the table has left out methods or data sets.
        width: columns of the terminal; remarks that do not fit are left out.
        settings: those that the command line has put over the file's, as `--set` takes them.
    """
    dawin, at = program(), _option(store)
    name, same = shlex.quote(plan.record.experiment), "".join(f" --set {shlex.quote(one)}" for one in settings)
    table = ("--all", "every method and data set") if hides else ("--format markdown", "the table for a page")
    commands = [
        (f"{dawin} results {name} {table[0]}{at}", table[1]),
        (f"{dawin} run {shlex.quote(file)}{same} --set {_change(plan)}{at}", "computes only the difference"),
        (f"{dawin} ui", "shows the runs in Prefect's pages"),
    ]
    longest = max(len(command) for command, _ in commands)
    lines = [field("" if i else "next", f"{command:<{longest}}") for i, (command, _) in enumerate(commands)]
    for line, (_, remark) in zip(lines, commands, strict=True):
        if all(len(line) + 2 + len(other) <= width for _, other in commands):
            line.append(f"  {remark}", "dim")
        line.rstrip()
        yield line


def samples_command_of(experiment: str, store: str | None = None) -> str:
    """Return the command that writes the predictions of each sample to a file.

    Args:
        experiment: its name.
        store: the value of `--store`; None: the command finds the store without it.
    """
    return f"{program()} results {shlex.quote(experiment)} --samples -o predictions.parquet{_option(store)}"


def _option(store: str | None) -> str:
    return f" --store {shlex.quote(store)}" if store else ""


def program() -> str:
    """Return how a user calls this program here: by its name if the shell finds it, else by its path."""
    if shutil.which(_SCRIPT):
        return _SCRIPT
    path = Path(sys.argv[0])
    if path.name != _SCRIPT:
        return "python -m flows.cli"
    near = os.path.relpath(path)
    return str(path.absolute()) if near.startswith("..") else near


def _change(plan: Plan) -> str:
    """Return a setting that another run could change."""
    merge = plan.record.settings["merge"]
    if "clusters" in merge["granularity"]:
        return f"merge.clusters={next(k for k in _OTHER_CLUSTERS if k != merge['clusters'])}"
    return "merge.granularity=[clusters]"
