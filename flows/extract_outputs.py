"""Child flow: the outputs of several models on one data set."""

from prefect import flow

from storage.store import Store
from tasks.extraction import extract
from tasks.references import OutputsReference
from tasks.streaming import Tally


@flow(name="extract-outputs")
async def extract_outputs(
    outputs: list[OutputsReference], store: str, batch_size: int, workers: int | None = None
) -> Tally:
    """Run models over a data set and store what they say; what is there already is left alone."""
    return extract(outputs, Store(store), batch_size=batch_size, workers=workers)
