"""Parent flow: a fitted method's predictions on images that were not part of its run, written into one file."""

import json
import logging

from prefect import flow
from prefect.runtime import flow_run

from flows.computing.all_parts import compute_parts
from flows.computing.computation import REPAIRS
from flows.experiment.settings import Experiment
from flows.planning.plan import Plan
from flows.planning.written_plan import read_plan, renewed
from flows.workers.pool import check_pool
from flows.workers.tags import tag_this_run
from storage.errors import ObjectDamaged, ObjectMissing
from storage.open_looks import looking
from storage.soundness import report_again
from storage.store import open_store
from tasks.prediction import write_predictions
from tasks.references.outputs import OutputsReference

log = logging.getLogger("dawin.predict")


def run_name() -> str:
    """Return a run's name in the UI: the experiment, and the file that it writes."""
    return f"predict {flow_run.parameters['experiment'].name}: {flow_run.parameters['file'].rpartition('/')[2]}"


@flow(name="predict-images", flow_run_name=run_name)
async def predict_images(experiment: Experiment, store: str, plan: str, file: str) -> int:
    """Apply a fitted method to images; tables that the store holds are not computed again.

    Args:
        experiment: the settings.
        store: address of the store.
        plan: key of the plan of the predictions (`flows.planning.other_images`).
        file: path of the Parquet file to write.

    Returns:
        The number of images.
    """
    await tag_this_run(experiment)
    await check_pool()
    opened = open_store(store)
    with looking(opened.url), renewed(plan, opened):
        found = read_plan(plan, opened)
        for left in range(REPAIRS, -1, -1):
            report_again()
            await compute_parts(found, plan, experiment)
            try:
                return _write(found, file)
            except (ObjectDamaged, ObjectMissing) as error:  # that nothing has read before
                if not left or not str(error).startswith(f"{opened.url}/"):
                    raise
                log.warning("%s: this run computes it now", error)
                found.look_again()
    raise AssertionError("the last try returns or raises")


def _write(plan: Plan, file: str) -> int:
    (cell,), (dataset,), settings = plan.cells, plan.datasets, plan.record.settings
    predictions = cell.predictions
    merged = (predictions,) if isinstance(predictions, OutputsReference) else predictions.outputs
    provenance = {
        "dawin.experiment": plan.record.experiment,
        "dawin.method": cell.method,
        "dawin.fitted_on": settings["fitted_on"],
        "dawin.images": dataset.digest,
        "dawin.models": json.dumps([[one.model.name, one.model.digest] for one in merged]),  # as the coefficients
        "dawin.predictions": predictions.id,
    }
    return write_predictions(
        predictions, plan.extracted(dataset), settings["classes"], plan.store, file, provenance=provenance
    )
