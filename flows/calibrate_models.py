"""Parent flow: outputs on one labelled data set, and a temperature for each model."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from prefect import flow

from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.written_plan import read_plan, write_plan
from flows.workers.children import Children
from flows.workers.dispatch import dispatch
from storage.schemas import OUTPUTS
from storage.store import open_store
from storage.tables import read_samples, vectors
from tasks.errors import DatasetError
from tasks.numerics.calibration import Calibration, expected_calibration_error, fit_temperature
from tasks.numerics.entropy import log_probabilities


class Calibrated(NamedTuple):
    """A model's temperature, and its expected calibration error before and after."""

    fit: Calibration
    error_before: float
    error_after: float


@flow(name="calibrate-models", flow_run_name="calibrate {experiment.name} on {dataset}")
async def calibrate_models(
    experiment: Experiment, dataset: str, store: str, plan: str | None = None
) -> dict[str, Calibrated]:
    """Return each model's temperature, fitted to labelled data.

    Args:
        experiment: names the models.
        dataset: name of the labelled data set.
        store: address of the store.
        plan: key of the plan of `experiment.models_on(dataset)`, if the caller checked its inputs; None: they are
            checked now.

    Raises:
        DatasetError: images without labels, or too few to fit a temperature.
    """
    opened, chosen = open_store(store), experiment.models_on(dataset)
    found = read_plan(plan, opened) if plan else replace(checked_plan(chosen, opened), all_logits=True)
    outputs = found.outputs[0]
    await dispatch(Children(found, plan or write_plan(found), chosen).extract(found.datasets[0], outputs))
    fitted = {}
    for reference in outputs:
        columns = ["label", "logits"]
        table = read_samples(found.store, reference.prefix, OUTPUTS[reference.scored.logits], columns)
        if table["label"].null_count:
            raise DatasetError(
                f"data set {dataset}: {table['label'].null_count} images have no label; calibration needs them"
            )
        logits, labels = vectors(table["logits"]).astype(np.float64), table["label"].to_numpy()
        try:
            fit = fit_temperature(logits, labels)
        except ValueError as error:
            raise DatasetError(f"model {reference.model.name} on data set {dataset}: {error}") from error
        errors = [expected_calibration_error(log_probabilities(logits, t), labels) for t in (1.0, fit.temperature)]
        fitted[reference.model.name] = Calibrated(fit, errors[0], errors[1])
    return fitted
