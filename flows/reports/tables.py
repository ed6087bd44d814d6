"""Tables of results: one row for each method, one column for each data set and for the mean of each group."""

from collections.abc import Sequence

import polars as pl
from tabulate import tabulate

from flows.errors import ExperimentError
from flows.reports.legends import legend_of
from flows.reports.published import published_texts
from storage import keys
from storage.catalogue.entries import sound_rows
from storage.catalogue.reading import warn_left_out
from storage.errors import (
    ManifestInvalid,
    ObjectDamaged,
    ObjectMissing,
    ObjectOutdated,
    SchemaMismatch,
    StorageError,
)
from storage.manifests import read_manifest
from storage.places import exists, neighbours
from storage.pointers import experiments, is_recorded, latest_run
from storage.store import Store
from tasks.errors import did_you_mean
from tasks.numerics.metrics.registry import metric_of
from tasks.references.results import is_mean, mean_name

_STYLES = {"table": "simple", "markdown": "github", "latex": "latex_booktabs"}
_ORACLE_MARK = " (labels)"

IS_MEAN = pl.col("dataset").str.starts_with(mean_name(""))
"""Whether a row of results is the mean over a group of data sets."""


def results_of(store: Store, experiment: str | None = None, run_id: str | None = None) -> pl.DataFrame:
    """Return the result rows of one run of an experiment, or of the latest run of each experiment in a store.

    Args:
        store: the store.
        experiment: name of the experiment; None: all experiments, each with its latest run.
        run_id: the run; None: the latest.

    Returns:
        Rows with the columns of `storage.schemas.RESULTS`; no rows for a run on images without labels.

    Raises:
        ExperimentError: the store has no results of the experiment; the message lists those that it has.
        StorageError: the results are damaged. With several experiments, damaged results are a warning in the log, and
            an error only if no experiment has sound ones.
    """
    if experiment is not None and run_id is not None:
        return rows_of_runs(store, [(experiment, run_id)])
    return rows_of_runs(
        store, [(name, latest_run(store, name)) for name in experiments_with_results(store, experiment)]
    )


def rows_of_runs(store: Store, runs: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """Return all rows of some runs, each read from its own results and verified.

    Args:
        store: the store.
        runs: experiment and run of each; at least one.

    Raises:
        StorageError: the results are damaged. Of several runs, the damaged ones are warnings in the log, and an error
            only if none is sound.
    """
    sound, faults = list[pl.DataFrame](), list[StorageError]()
    for run in runs:
        key = keys.results(*run)
        try:
            sound.append(sound_rows(store, read_manifest(store, key)))
        except ObjectMissing:
            faults.append(ObjectMissing(f"{store.address(key)}: no results; `dawin run EXPERIMENT` computes them"))
        except (ObjectDamaged, ObjectOutdated, ManifestInvalid, SchemaMismatch) as error:
            faults.append(error)
    if not sound:
        raise faults[0]
    warn_left_out(faults)
    return pl.concat(sound)


def experiments_with_results(store: Store, experiment: str | None = None) -> list[str]:
    """Return the names of the experiments with results in a store, or of the one that is asked for.

    Args:
        store: the store.
        experiment: name of an experiment; None: all.

    Raises:
        ExperimentError: the store has no results of it; the message lists those that it has.
    """
    if experiment is not None and is_recorded(store, experiment):
        return [experiment]  # without a look at all the others
    known = experiments(store)
    refuse_unknown(store, experiment, known)
    return known if experiment is None else [experiment]


def refuse_unknown(store: Store, experiment: str | None, known: Sequence[str] | None = None) -> None:
    """Raise `ExperimentError` if a store has no results, or none of an experiment; the message lists those it has.

    Args:
        store: the store.
        experiment: name of an experiment; None: any.
        known: the experiments with results; None: they are looked up.
    """
    known = experiments(store) if known is None else known
    if not known:
        refuse_absent(store)
        raise ExperimentError(f"{store.url}: no results yet; `dawin run EXPERIMENT.yaml` or `dawin quickstart`")
    if experiment is not None and experiment not in known:
        raise ExperimentError(
            f"no results of experiment {experiment!r} in {store.url}{did_you_mean(experiment, known) or ';'} it has "
            f"results of {', '.join(known)}"
        )


def refuse_absent(store: Store) -> None:
    """Raise `ExperimentError` if the folder of a store does not exist; the message names one that resembles it.

    Args:
        store: the store.
    """
    if not exists(store.url):
        folder = store.url.rpartition("/")[2]
        raise ExperimentError(f"store {store.url}: no such folder{did_you_mean(folder, neighbours(store.url))}")


def wide(rows: pl.DataFrame, metric: str = "top1") -> pl.DataFrame:
    """Return one row for each method: a metric on each data set and its mean over each group.

    Args:
        rows: results of one experiment, as from `results_of`.
        metric: the metric, such as top1.

    Returns:
        Columns `method`, one for each data set and `mean <group>` for each group, in the order of the rows. Accuracies
        and other fractions are percentages, other metrics are as they are stored. A group's mean gives each data set
        the same weight. Methods that use labels are marked.
    """
    chosen = rows.filter(pl.col("metric") == metric)
    order = chosen["dataset"].unique(maintain_order=True).to_list()
    order.sort(key=is_mean)  # means last
    marked = (
        pl.col("uses_labels").any().over("experiment", "method")
    )  # even if it uses the labels of some data sets only
    method = pl.col("method") + pl.when(marked).then(pl.lit(_ORACLE_MARK)).otherwise(pl.lit(""))
    shown = chosen.with_columns(method=method, value=pl.col("value") * unit_of(metric))
    table = shown.pivot("dataset", index="method", values="value", aggregate_function="first", maintain_order=True)
    return table.select("method", *(pl.col(name).alias(name.replace("/", " ")) for name in order))


def unit_of(metric: str) -> float:
    """Return the factor from a metric's stored values to those of a table: 100 for fractions, shown in percent."""
    return 100.0 if metric_of(metric).unit == "%" else 1.0


def render(rows: pl.DataFrame, style: str, *, metric: str = "top1") -> str:
    """Return results as text.

    Args:
        rows: results, as from `results_of`.
        style: one of `FORMATS`; `csv` and `json` hold all rows and columns, the others the table of one metric.
        metric: the metric of a table.
    """
    if style == "csv":
        flat = rows.with_columns(pl.col(pl.List(pl.String)).list.join("|"))
        return flat.write_csv().rstrip()  # `print` ends the last line
    if style == "json":
        return rows.write_json()
    if metric not in rows["metric"]:
        return "no labels, so no accuracies: the predictions are in the store"
    parts = []
    digits = 2 if unit_of(metric) > 1 else 4
    for (experiment,), mine in rows.filter(metric=metric).group_by("experiment", maintain_order=True):
        text = table_of(wide(mine, metric), style, digits)
        run = f"{experiment}, run {mine['run_id'][0]}"
        notes = [run, *legend_of(metric), *(f"{dataset}: {note}" for dataset, note in _notes(mine))]
        text = "\n\n".join([text, *notes, *published_texts(mine, _STYLES[style])])
        parts.append(text if rows["experiment"].n_unique() == 1 else f"{experiment}\n\n{text}")
    return "\n\n".join(parts)


def table_of(table: pl.DataFrame, style: str, digits: int = 2) -> str:
    """Return a table as text.

    Args:
        table: any table.
        style: one of `FORMATS`; `csv` and `json` keep all digits.
        digits: decimals of the other formats.

    Example:
        >>> print(table_of(pl.DataFrame({"method": ["individual/base"], "one": [93.333]}), "markdown"))
        | method          |   one |
        |-----------------|-------|
        | individual/base | 93.33 |
    """
    if style == "csv":
        return table.write_csv().rstrip()
    if style == "json":
        return table.write_json()
    return tabulate(table.rows(), headers=table.columns, tablefmt=_STYLES[style], floatfmt=f".{digits}f")


def _notes(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Return the notes on data sets, which are printed below a table."""
    noted = rows.filter(pl.col("note").is_not_null())
    return list(noted.select("dataset", "note").unique(maintain_order=True).iter_rows())
