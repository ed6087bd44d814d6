"""Child flow: one model made of other models' weights."""

from prefect import flow

from flows.planning.written_plan import read_plan
from storage.open_looks import looking
from storage.store import Store
from tasks.errors import ModelMismatch
from tasks.model_merging import make_model
from tasks.progress import work
from tasks.streaming.fill import Tally


@flow(name="merge-weights")
async def merge_weights(plan: str, model: str, store: str) -> Tally:
    """Make one model of a plan, unless the store has it; all data sets use the same.

    Args:
        plan: key of the parent's plan in the store.
        model: digest of the made model.
        store: address of the store.
    """
    opened = Store(store)
    with looking(opened.url):
        found = read_plan(plan, opened)
        made = {one.digest: one for one in found.made_models}
        if model not in made:
            raise ModelMismatch(f"{plan}: makes no model {model}; it makes {', '.join(made) or 'none'}")
        name = f"make {made[model].method}"
        with work(name, 1, stage="make models", unit="models") as progress:
            tally = make_model.with_options(task_run_name=name)(made[model], found.store, reading=found.reading)
            progress.advance(1)
        return tally
