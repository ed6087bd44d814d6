"""Extraction: every model over every image, once; logits, entropies and scores to `outputs`."""

from collections.abc import Sequence

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage.manifests import missing_ranges
from storage.schemas import OUTPUTS
from storage.store import Store
from storage.tables import Columns
from tasks.datasets.loading import Batch
from tasks.inference import logits_of
from tasks.inputs import OpenedDataset, default_device, load_state
from tasks.models.classifier import build_classifier
from tasks.numerics.entropy import log_probabilities
from tasks.references import OutputsReference
from tasks.streaming import Sink, Tally, fill, scored


@task(name="extract", cache_policy=NO_CACHE)
def extract(outputs: Sequence[OutputsReference], store: Store, *, batch_size: int, workers: int | None = None) -> Tally:
    """Run models over one data set, each image decoded once for all of them, and store what they say.

    Args:
        outputs: of several models on the same data set.
        store: what is there already is left alone, and its models are not loaded.
        batch_size: images at a time.
        workers: decoding processes; None: one a core.
    """
    if not outputs:
        return Tally(0, 0)
    dataset, device = outputs[0].dataset, default_device()
    lacking = [reference for reference in outputs if missing_ranges(store, reference.prefix, dataset.spans)]
    opened = OpenedDataset(dataset, batch_size, workers, device)
    done = fill(
        store,
        [_sink(reference, device) for reference in lacking],
        dataset.spans,
        opened.batches,
        description=f"extract {dataset.name}",
        run=flow_run.id,
    )
    return Tally(done.computed, dataset.samples * len(outputs) - done.computed)


def _sink(reference: OutputsReference, device: str) -> Sink[Batch]:
    model = build_classifier(load_state(reference), reference.model.url, reference.model.architecture, device)

    def compute(batch: Batch) -> Columns:
        logits = logits_of(model, batch.images, reference.precision)
        predicted = scored(log_probabilities(logits, reference.model.temperature), batch.labels)
        return {**predicted, "logits": logits.astype(np.float32)}

    return Sink(
        prefix=reference.prefix,
        schema=OUTPUTS,
        identity=reference.identity,
        compute=compute,
        widths={"logits": model.head.out_features},
    )
