"""One prediction from this process: method and images found, missing predictions computed, the file written."""

import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from flows.errors import ExperimentError
from flows.experiment.settings import Experiment
from flows.planning.fitted_method import fitted_method
from flows.planning.other_images import OtherImages, plan_on_images
from flows.planning.plan import Plan
from flows.planning.requests import store_of
from flows.planning.written_plan import write_plan
from flows.running.local_flow import run_flow
from flows.workers.quick_imports import without_collection
from storage.open_looks import looking


def predict_here(
    experiment: Experiment,
    url: str,
    *,
    method: str,
    dataset: str,
    images: str,
    file: Path,
    limit: int | None = None,
    adapt: bool = False,
    on_plan: Callable[[Plan], None] | None = None,
    verbose: bool = False,
) -> OtherImages:
    """Write a fitted method's predictions on images into a file, and return their references.

    Args:
        experiment: the settings.
        url: address of the store, which holds what was fitted and keeps what is computed.
        method: the method's name in results.
        dataset: the data set of the experiment on which it was fitted.
        images: address of the images.
        file: Parquet file to write; it must not exist.
        limit: largest number of images, spread evenly over them; None: all.
        adapt: whether everything is fitted to these images anew.
        on_plan: called after all inputs are checked, before anything is computed.
        verbose: whether the console shows Prefect's log lines.

    Raises:
        InputError: an input is missing, damaged or does not fit; nothing was computed.
        Exception: the error of a flow run that failed.
    """
    check_file(file)
    store = store_of(experiment, url)
    with looking(store.url):
        with without_collection():
            fitted = fitted_method(experiment, store, method, dataset)
            found = plan_on_images(experiment, store, fitted, images, limit=limit, adapt=adapt)
        if on_plan:
            on_plan(found.plan)

        def start() -> Coroutine[Any, Any, int]:
            with without_collection():
                from flows.predict_images import predict_images  # noqa: PLC0415  Prefect reads its settings then

            return predict_images(experiment, store.url, write_plan(found.plan), str(file.absolute()))

        run_flow(experiment, start, verbose=verbose)
    return found


def check_file(file: Path) -> None:
    """Refuse a file that exists, that is no Parquet file by its name, or whose folder does not exist.

    Raises:
        ExperimentError: the file cannot be written.
    """
    if file.suffix != ".parquet":
        raise ExperimentError(f"-o {file}: wanted a file that ends in .parquet")
    if file.exists():
        raise ExperimentError(f"-o {file}: exists already; name another file")
    if not file.absolute().parent.is_dir():
        raise ExperimentError(f"-o {file}: no such folder {file.absolute().parent}")
    try:
        with tempfile.TemporaryFile(dir=file.absolute().parent):
            pass
    except OSError as error:
        raise ExperimentError(f"-o {file}: cannot be written ({error.strerror or error})") from error
