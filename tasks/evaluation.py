"""Evaluation: merged models over the images; every merge gets a table of predictions."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage.spans import Span
from storage.store import Store
from tasks.opening.load_models import load_states
from tasks.references.predictions import MergeReference
from tasks.streaming.devices import default_device
from tasks.streaming.fill import Tally, fill
from tasks.streaming.images import BLOCK, Images, blocks
from tasks.streaming.inference import Inference
from tasks.streaming.merge_sinks import merge_sinks
from tasks.streaming.merger import Merger
from tasks.streaming.reading import Reading


@task(name="evaluate merges", cache_policy=NO_CACHE)
def evaluate_merges(
    merges: Sequence[MergeReference],
    store: Store,
    *,
    reading: Reading,
    samples: Span | None = None,
    beside: Sequence[MergeReference] = (),
) -> Tally:
    """Run merged models over one data set, each image decoded once for all of them, and store their predictions.

    Args:
        merges: on the same data set.
        store: receives the predictions; spans that it holds are not computed again.
        reading: how images are read.
        samples: the samples to run on; None: all.
        beside: all merges of the run on the data set, those that the store holds too (`merge_sinks`).
    """
    if not merges:
        return Tally(0, 0)
    outputs = list(dict.fromkeys(reference for merge in merges for reference in merge.outputs))
    dataset, device = merges[0].dataset, default_device()
    images = Images(dataset, reading, device)
    states = load_states(outputs, store, device)
    inference = Inference(dataset.preprocessing, outputs[0].scored.precision, reading.batch_size, dataset.groups)
    merger = Merger(outputs, [states.pop(o) for o in outputs], inference)
    sinks, order = merge_sinks(merges, merger, store, beside=beside)
    return fill(
        store,
        sinks,
        dataset.spans_within(samples),
        lambda spans: blocks(images.batches(spans, order), BLOCK),
        description=f"evaluate {dataset.name}",
        stage="evaluate",
        run=flow_run.id,
    )
