"""Child flow: one model made of others' weights."""

from prefect import flow

from flows.experiment.settings import Experiment
from flows.planning.check import prepare
from storage.store import Store
from tasks.model_merging import make_model
from tasks.streaming.fill import Tally


@flow(name="merge-weights")
async def merge_weights(experiment: Experiment, method: str, store: str) -> Tally:
    """Make the model that a method needs, unless the store has it; all data sets use the same."""
    plan = prepare(experiment, Store(store))
    wanted = [recipe for recipe in plan.lacking_recipes if recipe.method == method]
    for recipe in wanted:
        make_model(recipe, plan.store, reading=experiment.reading)
    return Tally(len(wanted), 0)
