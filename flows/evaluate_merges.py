"""Child flow: merged models on one data set."""

from prefect import flow

from storage.store import Store
from tasks import evaluation
from tasks.references import MergeReference
from tasks.streaming import Tally


@flow(name="evaluate-merges")
async def evaluate_merges(
    merges: list[MergeReference], store: str, batch_size: int, workers: int | None = None
) -> Tally:
    """Run merged models over a data set and store their predictions; what is there already is left alone."""
    return evaluation.evaluate_merges(merges, Store(store), batch_size=batch_size, workers=workers)
