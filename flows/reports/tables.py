"""Results tables: a method a row, a data set a column, groups averaged."""

import logging

import polars as pl
from tabulate import tabulate

from flows.errors import ExperimentError
from storage import keys
from storage.errors import ObjectMissing, StorageError
from storage.pointers import experiments, latest_run
from storage.scan import scan_objects
from storage.schemas import RESULTS
from storage.soundness import states
from storage.store import Store

log = logging.getLogger("dawin.report")

_STYLES = {"table": "simple", "markdown": "github", "latex": "latex_booktabs"}
_ORACLE_MARK = " (labels)"


def results_of(store: Store, experiment: str | None = None, run_id: str | None = None) -> pl.DataFrame:
    """Return the result rows of an experiment's latest run (or of a given one), or of every experiment's.

    A run on images without labels has none.

    Raises:
        ExperimentError: there is no such experiment in the store; the message says which there are.
        StorageError: the results asked for are damaged. Where all experiments' are asked for, one whose results are
            damaged is a line in the log, as long as another one's are not.
    """
    there = experiments(store)
    if not there:
        raise ExperimentError(f"{store.url}: no results yet; `dawin run EXPERIMENT.yaml` or `dawin quickstart`")
    if experiment is not None and experiment not in there:
        raise ExperimentError(f"no results of experiment {experiment!r} in {store.url}; there are {', '.join(there)}")
    chosen = there if experiment is None else [experiment]
    sound, faults = [], list[StorageError]()
    for name in chosen:
        key = keys.results(name, run_id or latest_run(store, name))
        error = _fault(store, key)
        if error is None:
            sound.append(key)
        else:
            faults.append(error)
    if not sound:
        raise faults[0]
    for error in faults:
        log.warning("left out: %s", error)
    return scan_objects(store, RESULTS, sound).collect()


def _fault(store: Store, key: str) -> StorageError | None:
    """Return what is wrong with a run's results; None: they are there and sound."""
    missing = ObjectMissing(f"{store.address(key)}: no results; `dawin run EXPERIMENT` computes them")
    return states(store, key.rpartition("/")[0], contents=True).get(key, missing)


def wide(rows: pl.DataFrame, metric: str = "top1") -> pl.DataFrame:
    """Return one row a method: a metric on each data set and its mean over each group, as percentages.

    Group means weigh every data set alike. Methods that use labels anywhere are marked.
    """
    chosen = rows.filter(pl.col("metric") == metric)
    order = chosen["dataset"].unique(maintain_order=True).to_list()
    groups = chosen["group"].unique(maintain_order=True).to_list()
    marked = pl.col("uses_labels").any().over("experiment", "method")  # also where only some data sets' labels are used
    method = pl.col("method") + pl.when(marked).then(pl.lit(_ORACLE_MARK)).otherwise(pl.lit(""))
    shown = chosen.with_columns(method=method, value=pl.col("value") * 100)
    table = shown.pivot("dataset", index="method", values="value", aggregate_function="first", maintain_order=True)
    means = [
        pl.mean_horizontal(shown.filter(group=group)["dataset"].unique(maintain_order=True).to_list()).alias(
            f"mean {group}"
        )
        for group in groups
    ]
    return table.select("method", *order).with_columns(means)


def render(rows: pl.DataFrame, style: str) -> str:
    """Return results as text: `csv` and `json` hold every row and column, the others the table of top-1 accuracies."""
    if style == "csv":
        flat = rows.with_columns(pl.col(pl.List(pl.String)).list.join("|"))
        return flat.write_csv().rstrip()  # whoever prints it ends the last line
    if style == "json":
        return rows.write_json()
    if "top1" not in rows["metric"]:
        return "no labels, so no accuracies: the predictions are in the store"
    parts = []
    for (experiment,), mine in rows.filter(metric="top1").group_by("experiment", maintain_order=True):
        text = table_of(wide(mine), style)
        text = "\n\n".join([text, *(f"{dataset}: {note}" for dataset, note in _notes(mine))])
        parts.append(text if rows["experiment"].n_unique() == 1 else f"{experiment}\n\n{text}")
    return "\n\n".join(parts)


def table_of(table: pl.DataFrame, style: str) -> str:
    """Return a table as text."""
    if style == "csv":
        return table.write_csv().rstrip()
    if style == "json":
        return table.write_json()
    return tabulate(table.rows(), headers=table.columns, tablefmt=_STYLES[style], floatfmt=".2f")


def _notes(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Return what there is to say of the data sets below a table."""
    noted = rows.filter(pl.col("note").is_not_null())
    return list(noted.select("dataset", "note").unique(maintain_order=True).iter_rows())
