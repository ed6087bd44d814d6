"""Results as text: the short table, as wide as the console, and the lines below it."""

from collections.abc import Mapping, Sequence

import polars as pl
from rich.console import Console
from rich.text import Text

from flows.display.next_steps import samples_command_of
from flows.display.published_table import print_published
from flows.display.table_layout import chosen_layout
from flows.reports.legends import legend_of
from flows.reports.summary import Summary, summary_of
from flows.reports.tables import IS_MEAN
from flows.reports.ties import pair_tests
from storage.store import Store


def print_results(
    console: Console,
    rows: pl.DataFrame,
    store: Store,
    *,
    metric: str = "top1",
    all_rows: bool = False,
    datasets: Mapping[str, str] | None = None,
    known: Sequence[str] = (),
    samples_command: str | None = None,
) -> str:
    """Print the results of one or several experiments: a table for each, and the lines that explain it.

    Args:
        console: on a terminal the best values are bold, and those that may be as good underlined; elsewhere `*` and
            `~` mark them.
        rows: results, as from `flows.reports.tables.results_of`, of all methods and metrics.
        store: holds the predictions, to which the lines point.
        metric: the metric of the table.
        all_rows: whether every method has a row, and further tables show the columns that do not fit.
        datasets: the digest of every data set, also without labels, by its name, in order; None: those with rows.
        known: warnings that were shown above; notes that say the same are left out.
        samples_command: writes the predictions of an experiment to a file; None: the command without `--store`.

    Returns:
        What is left out, in words; empty if nothing.
    """
    hidden = ""
    names = rows["experiment"].unique(maintain_order=True).to_list()
    if not names and datasets:
        print_unlabelled(console, "", datasets, store, command=samples_command)
    elif not names:
        console.print(Text("no labels, so no accuracies; the predictions are in the store"))
    for number, name in enumerate(names):
        mine = rows.filter(experiment=name)
        digests = datasets or _digests(mine)
        tests = pair_tests(store, name, mine["run_id"][0], metric)
        summary = summary_of(mine, metric=metric, all_rows=all_rows, datasets=tuple(digests), tests=tests)
        if number:
            console.print()
        if len(names) > 1:
            console.print(Text(name, "bold"))
        hidden = print_table(console, summary, all_columns=all_rows, known=known)
        if hidden:
            console.print(Text(f"--all shows {hidden}", "dim"))
        print_published(console, mine, metric)
        unlabelled = {one: digests[one] for one in summary.unlabelled}
        print_unlabelled(console, name, unlabelled, store, command=samples_command)
    return hidden


def _digests(rows: pl.DataFrame) -> dict[str, str]:
    """Return the digest of each data set that has rows, by its name."""
    return dict(rows.filter(~IS_MEAN).select("dataset", "dataset_digest").unique(maintain_order=True).iter_rows())


def print_table(console: Console, summary: Summary, *, all_columns: bool = False, known: Sequence[str] = ()) -> str:
    """Print a table and the lines that explain it.

    Args:
        console: its width limits the columns, and whether it is a terminal decides the marks, as for `print_results`.
        summary: the table's content.
        all_columns: whether columns that do not fit are shown in further tables.
        known: warnings that were shown above; notes that say the same are left out.

    Returns:
        What is left out, in words; empty if nothing.
    """
    if not summary.rows:
        return ""
    layout = chosen_layout(summary, console.width, plain=not console.is_terminal)
    parts = layout.parts(console.width)
    shown = parts if all_columns else parts[:1]
    for number, part in enumerate(shown):
        if number:
            console.print()
        for line in layout.lines(part):
            console.print(line, soft_wrap=True)
    columns = [i for part in shown for i in part]
    for line in layout.notes(columns, known):
        console.print(line)
    for sentence in legend_of(summary.metric):
        console.print(Text(sentence, "dim"))
    return layout.hidden(columns)


def print_unlabelled(
    console: Console, experiment: str, digests: Mapping[str, str], store: Store, *, command: str | None = None
) -> None:
    """Print where the predictions on data sets without labels are; nothing if no such set exists.

    Args:
        console: the place to print to.
        experiment: its name.
        digests: the digest of each data set without labels by its name.
        store: holds the predictions.
        command: writes the predictions to a file; None: the command without `--store`.
    """
    if not digests:
        return
    verb = "has" if len(digests) == 1 else "have"
    console.print(Text(f"{', '.join(digests)} {verb} no labels, so no accuracies; the predictions are in"))
    for digest in digests.values():
        console.print(Text(f"  {store.address(f'predictions/dataset={digest}')}"), soft_wrap=True)
    console.print(Text(f"  {command or samples_command_of(experiment)}"), soft_wrap=True)
