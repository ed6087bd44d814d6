"""Child flow: the outputs of several models on one data set."""

from prefect import flow

from flows.experiment.settings import Experiment
from flows.planning.check import prepare_on
from storage.soundness import is_committed
from storage.spans import Span
from storage.store import Store
from tasks.extraction import extract
from tasks.streaming.fill import Tally


@flow(name="extract-outputs")
async def extract_outputs(experiment: Experiment, dataset: str, store: str, samples: Span | None = None) -> Tally:
    """Run those models of an experiment over a data set whose outputs are not in the store.

    Where no merge has to wait for all outputs, merged models run over the same batches: one pass does it all.
    `samples`: only these, `stop` excluded.
    """
    plan = prepare_on(experiment, dataset, Store(store))
    judged = [(judge, judge.model.recipe) for judge in plan.judges(plan.datasets[0])]
    judges = [judge for judge, recipe in judged if recipe and is_committed(plan.store, recipe.key)]
    lacking, merges = plan.lacking([*plan.outputs[0], *judges]), plan.streamed(plan.datasets[0])
    return extract(lacking, plan.store, reading=experiment.reading, merges=merges, samples=samples)
