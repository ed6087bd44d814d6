"""The functions of the module `dawin`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from flows.experiment.settings import Experiment


def run(
    experiment: "str | Path | Mapping[str, Any] | Experiment",
    *,
    store: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> "pl.DataFrame":
    """Run an experiment and return its results; everything that the store holds already is reused.

    The call blocks until the run ends. An interrupt ends the run; the next call continues from the objects in the
    store.

    Args:
        experiment: path of an experiment file, name of one that comes with the project, or its settings: a mapping
            with the keys of the file, whose relative addresses count from the working directory, or the object that
            they are validated into.
        store: folder or `s3://` address that keeps everything; None: `$DAWIN_STORE`, else `./dawin-store`.
        settings: settings over those of the experiment, by dotted name: `{"merge.clusters": 5}`.
        progress: whether to show progress bars, in a notebook as widgets.

    Returns:
        One row for each method, data set and metric, with the columns of the table `results`. Values of `top1` are
        fractions. Images without labels have no accuracies; their predictions are in the store.

    Raises:
        InputError: the request is wrong, such as an unknown setting or a missing file; the message lists all faults.
        StorageError: the store cannot be used.
        Exception: the error of a run that failed.
    """
    from dawin.bars import bars
    from dawin.own_loop import in_own_loop
    from flows.reports.tables import results_of
    from flows.running.local_run import run_here

    url = _store(store)
    chosen = _experiment(experiment, settings, url)
    with bars(progress):
        plan = in_own_loop(lambda: run_here(chosen, url))
    return results_of(plan.store, chosen.name, plan.record.run_id)


def plan(
    experiment: "str | Path | Mapping[str, Any] | Experiment",
    *,
    store: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> "pl.DataFrame":
    """Return the steps of an experiment, done and to do, after a check of all inputs; compute and write nothing.

    Args:
        experiment: as for `run`.
        store: as for `run`.
        settings: as for `run`.

    Returns:
        One row for each step: `stage` (upgrade, extract, merge, fit, evaluate), `dataset`, `step` (the model or the
        tables), `samples` and `missing`, the samples × tables of the step and those that are not in the store.

    Raises:
        InputError: the request is wrong; the message lists all faults.
        StorageError: the store cannot be read.
    """
    import polars as pl

    from flows.planning.check import checked_plan
    from flows.planning.requests import store_of

    url = _store(store)
    chosen = _experiment(experiment, settings, url)
    found = checked_plan(chosen, store_of(chosen, url, writable=False), remember=False)
    schema = {"stage": pl.String, "dataset": pl.String, "step": pl.String, "samples": pl.Int64, "missing": pl.Int64}
    return pl.DataFrame([tuple(step) for step in found.steps()], schema=schema, orient="row")


def results(
    experiment: str | None = None, *, store: str | Path | None = None, run_id: str | None = None
) -> "pl.DataFrame":
    """Return the results of the latest run of an experiment, or of the latest run of each experiment.

    Args:
        experiment: its name; None: all experiments of the store.
        store: as for `run`.
        run_id: a run of the experiment; None: the latest.

    Returns:
        Rows as from `run`.

    Raises:
        InputError: the store has no such results; the message lists those that it has.
        StorageError: the results are damaged.
    """
    from flows.reports.tables import results_of
    from storage.store import open_store

    return results_of(open_store(_store(store), writable=False), experiment, run_id)


def predict(
    experiment: "str | Path | Mapping[str, Any] | Experiment",
    output: str | Path,
    *,
    method: str,
    dataset: str,
    images: str | Path,
    adapt: bool = False,
    limit: int | None = None,
    store: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> "pl.LazyFrame":
    """Apply a method, as it was fitted on one data set of an experiment, to other images; write a row for each image.

    Args:
        experiment: as for `run`; its run must be in the store.
        output: a new file, `.parquet`.
        method: the method, as results name it.
        dataset: the data set of the experiment on which the method was fitted.
        images: a folder, files or an `s3://` address, in any format that data sets have; labels are not needed.
        adapt: whether to fit offset and clusters to these images, in place of those of the data set.
        limit: largest number of images, spread evenly over them; None: all.
        store: as for `run`.
        settings: as for `run`.
        progress: as for `run`.

    Returns:
        The rows of the file, read when they are collected: `sample_index`, `name`, `prediction`, `class`, `confidence`,
        `entropy_<model>`, `coefficients` and `cluster`.

    Raises:
        InputError: the request is wrong, such as an unknown method or a data set without a fit; nothing was computed.
        StorageError: the store cannot be used.
        Exception: the error of a run that failed.
    """
    import polars as pl

    from dawin.bars import bars
    from dawin.own_loop import in_own_loop
    from flows.running.local_prediction import predict_here

    url, file = _store(store), Path(output)
    chosen = _experiment(experiment, settings, url)
    with bars(progress):
        in_own_loop(
            lambda: predict_here(
                chosen,
                url,
                method=method,
                dataset=dataset,
                images=str(images),
                file=file,
                limit=limit,
                adapt=adapt,
            )
        )
    return pl.scan_parquet(file)


def _store(store: str | Path | None) -> str:
    from flows.cli.options import chosen_store

    return chosen_store(None if store is None else str(store))


def _experiment(
    experiment: "str | Path | Mapping[str, Any] | Experiment", settings: Mapping[str, Any] | None, store: str
) -> "Experiment":
    from flows.experiment.file import read_request, request_of_values
    from flows.experiment.settings import Experiment
    from flows.planning.requests import experiment_of

    overrides = tuple(f"{name}={json.dumps(value)}" for name, value in (settings or {}).items())
    if isinstance(experiment, str | Path):
        return experiment_of(read_request(str(experiment), overrides), store)
    values = experiment.model_dump(mode="json") if isinstance(experiment, Experiment) else experiment
    return experiment_of(request_of_values(values, overrides), store)
