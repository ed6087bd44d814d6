"""The results of a model card as Markdown: measured metrics, estimates, and numbers that belong to other weights."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.exporting.card_markdown import code, plain, prose, table
from flows.exporting.card_results import Measured, is_estimated, title_and_unit
from tasks.references.results import is_mean

Row = Mapping[str, Any]

NOTHING = "Nothing was measured: the store held no results of these weights when the folder was exported."

_HEADLINE = "top1"
_SHORT = 40  # rows of a table that is not folded away


def results_section(record: Mapping[str, Any], found: Measured | None) -> str:
    """Return the section on results: the accuracies, all other metrics, and where the numbers are from.

    Args:
        record: of the exported folder.
        found: the method's results; None: the section says that nothing was measured.
    """
    if found is None:
        return f"## Results\n\n{NOTHING}"
    rows = [*found.of_files(), *found.of_files(means=True)]
    measured = [row for row in rows if not is_estimated(row["metric"])]
    estimated = [row for row in rows if is_estimated(row["metric"])]
    others = [row for row in found.of_others() if row["metric"] == _HEADLINE]
    parts = ["## Results", _source(record, rows[0]), *([_SEVERAL_HEADS] if found.has_several_heads else [])]
    if top1 := [row for row in measured if row["metric"] == _HEADLINE]:
        parts += [_accuracies(top1), *_remarks(rows)]
    if rest := [row for row in measured if row["metric"] != _HEADLINE]:
        parts += ["### Other metrics", _metrics(rest)]
    if estimated:
        parts += ["### Estimates without labels", _ESTIMATES, _metrics(estimated)]
    if others:
        parts += ["### The same method elsewhere", _elsewhere(record), _accuracies(others)]
    return "\n\n".join(parts)


def datasets_section(record: Mapping[str, Any], found: Measured | None) -> str:
    """Return the section on the data sets: their names, digests and numbers of samples.

    Args:
        record: of the exported folder.
        found: the method's results; None: the section names the data set of the record.
    """
    rows = found.rows.iter_rows(named=True) if found else ()
    named = {row["dataset"]: row for row in rows if not is_mean(row["dataset"])}
    cells = [[code(n), code(r["group"]), code(r["dataset_digest"]), f"{r['samples']:,}"] for n, r in named.items()]
    if not cells:
        cells = [[code(record["dataset"]), "–", code(record["dataset_digest"]), "–"]] if record["dataset"] else []
    if not cells:
        return "## Data sets\n\nThe weights were exported for no data set in particular."
    words = (
        "A digest identifies the images of a data set: the list of its files, their labels and the preprocessing. Two "
        "data sets with one digest are the same, whatever their names."
    )
    return "\n\n".join(["## Data sets", words, table(["data set", "group", "digest", "n"], cells, right=[3])])


def shown_value(value: float, unit: str) -> str:
    """Return a number as the tables show it: a fraction in percent, anything else in four significant digits.

    Args:
        value: as results store it.
        unit: of the metric.

    Example:
        >>> shown_value(1 / 3, "%"), shown_value(1 / 3, "nats")
        ('33.33', '0.3333')
    """
    return f"{100 * value:.2f}" if unit == "%" else f"{value:.4g}"


def _accuracies(rows: Sequence[Row]) -> str:
    head = ["data set", "group", "top-1 accuracy, %", "95 % interval", "n"]
    return table(head, [[*_place(row), *_numbers(row)] for row in rows], right=[2, 3, 4])


def _metrics(rows: Sequence[Row]) -> str:
    """Return the rows of several metrics, folded away where they are many."""
    cells = []
    for row in rows:
        title, unit = title_and_unit(row["metric"])
        name = f"{prose(title)}, {unit}" if unit else prose(title)
        cells.append([_place(row)[0], f"{name} ({code(row['metric'])})", *_numbers(row)])
    shown = table(["data set", "metric", "value", "95 % interval", "n"], cells, right=[2, 3, 4])
    if len(cells) <= _SHORT:
        return shown
    return f"<details>\n<summary>{len(cells)} values</summary>\n\n{shown}\n\n</details>"


def _place(row: Row) -> list[str]:
    marks = " (uses labels)" if row["uses_labels"] else ""
    return [f"{code(row['dataset'])}{marks}", code(row["group"])]


def _numbers(row: Row) -> list[str]:
    _, unit = title_and_unit(row["metric"])
    low, high = row["ci_low"], row["ci_high"]
    interval = "–" if low is None or high is None else f"{shown_value(low, unit)} to {shown_value(high, unit)}"
    return [shown_value(row["value"], unit), interval, f"{row['samples']:,}"]


_SEVERAL_HEADS = (
    "The run measured these weights with a classification head for each data set. **Each accuracy is that of the "
    "weights together with such a head**, which may not be in this folder."
)


def _source(record: Mapping[str, Any], row: Row) -> str:
    """Return where the numbers are from, and how to read them."""
    return (
        f"All numbers are from run {code(row['run_id'])} of experiment {code(record['experiment'])} "
        f"({prose(row['software'])}, {prose(row['precision'])}, {row['created_at']:%Y-%m-%d}), in which the method "
        f"{code(record['method'])} gave the predictions {code(row['samples_id'])} on {code(row['dataset'])}. "
        "Intervals are 95 % confidence intervals; n is the number of samples. The metadata of this page hold the same "
        "values, fractions from 0 to 1. `mean/…` is the mean over the data sets of a group, each with the same weight."
    )


def _remarks(rows: Iterable[Row]) -> list[str]:
    """Return sentences about labels and about doubts that belong below the accuracies."""
    rows = list(rows)
    notes = dict.fromkeys((row["dataset"], row["note"]) for row in rows if row["note"])
    labels = [_LABELS] if any(row["uses_labels"] for row in rows) else []
    return [*labels, *(f"{code(dataset)}: {prose(plain(note))}." for dataset, note in notes)]


_LABELS = (
    "**This method uses the true labels** of the rows marked (uses labels). Its numbers there cannot be compared with "
    "those of methods that see images alone."
)
_ESTIMATES = "These numbers were **estimated without labels**. They are no measurements, and no number above uses them."


def _elsewhere(record: Mapping[str, Any]) -> str:
    if record["kind"] == "static":
        return (
            "On these data sets the run used the same method with another head or other weights, or the store can no "
            "longer tell. **The files of this folder were not measured there**, and the metadata leave these numbers "
            "out."
        )
    return (
        "On each of these data sets the method was fitted to the data set's own images. **The files of this folder "
        "were not measured there**, and the metadata leave these numbers out."
    )
