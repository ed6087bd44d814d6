"""Parent flow: extract one labelled data set, fit a temperature for each model."""

import numpy as np
from prefect import flow

from flows.experiment.settings import Experiment
from flows.planning.check import prepare
from flows.workers.children import Dispatcher
from flows.workers.dispatch import dispatch
from storage.schemas import OUTPUTS
from storage.store import open_store
from storage.tables import read_samples, vectors
from tasks.errors import DatasetError
from tasks.numerics.calibration import Calibration, expected_calibration_error, fit_temperature
from tasks.numerics.entropy import log_probabilities


@flow(name="calibrate-models", flow_run_name="calibrate {experiment.name} on {dataset}")
async def calibrate_models(
    experiment: Experiment, dataset: str, store: str
) -> dict[str, tuple[Calibration, float, float]]:
    """Return each model's temperature, and its calibration error before and after, from labelled data."""
    chosen = experiment.models_on(dataset)
    plan = prepare(chosen, open_store(store))
    if plan.lacking(plan.outputs[0]):
        await dispatch(Dispatcher(plan, chosen).extract(plan.datasets[0], plan.outputs[0]))
    found = {}
    for reference in plan.outputs[0]:
        table = read_samples(plan.store, reference.prefix, OUTPUTS[reference.logits], ["label", "logits"])
        if table["label"].null_count:
            raise DatasetError(
                f"data set {dataset}: {table['label'].null_count} images have no label; calibration needs them"
            )
        logits, labels = vectors(table["logits"]).astype(np.float64), table["label"].to_numpy()
        try:
            fitted = fit_temperature(logits, labels)
        except ValueError as error:
            raise DatasetError(f"model {reference.model.name} on data set {dataset}: {error}") from error
        errors = [expected_calibration_error(log_probabilities(logits, t), labels) for t in (1.0, fitted.temperature)]
        found[reference.model.name] = (fitted, errors[0], errors[1])
    return found
