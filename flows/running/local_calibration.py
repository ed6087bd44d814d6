"""One calibration from this process: inputs checked, Prefect's API started, temperatures fitted."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.requests import store_of
from flows.planning.written_plan import write_plan
from flows.workers.embedded_api import keep_errors_short, prefect_api
from flows.workers.quick_imports import without_collection

if TYPE_CHECKING:
    from flows.calibrate_models import Calibrated


def calibrate_here(experiment: Experiment, dataset: str, url: str, verbose: bool = False) -> "dict[str, Calibrated]":
    """Fit a temperature for each model of an experiment on one of its data sets, and return them by model.

    Args:
        experiment: the settings.
        dataset: name of the labelled data set.
        url: address of the store, which keeps the outputs of the models.
        verbose: whether Prefect's log lines appear on the console.

    Raises:
        InputError: an input is missing, damaged or does not fit, or no temperature can be fitted to the data set.
        Exception: the error of a flow run that failed.
    """
    store = store_of(experiment, url)
    with without_collection():
        plan = write_plan(replace(checked_plan(experiment.models_on(dataset), store), all_logits=True))
        prefect_api.start()
        from flows.calibrate_models import calibrate_models  # noqa: PLC0415  Prefect reads its settings then

    prefect_api.wait()
    keep_errors_short(verbose)
    return asyncio.run(calibrate_models(experiment, dataset, store.url, plan))
