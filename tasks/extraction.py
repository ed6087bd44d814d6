"""Extraction: every model over every image, once; logits, entropies and losses go to the table `outputs`."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage.soundness import missing_spans
from storage.spans import Span
from storage.store import Store
from tasks.models.classifier import build_classifier
from tasks.opening.load_models import load_states
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import MergeReference
from tasks.streaming.ahead import opened_images
from tasks.streaming.devices import default_device
from tasks.streaming.fill import Tally, fill
from tasks.streaming.images import BLOCK, blocks
from tasks.streaming.inference import Inference
from tasks.streaming.merge_sinks import merge_sinks
from tasks.streaming.merger import Merger
from tasks.streaming.output_sinks import output_sink
from tasks.streaming.reading import Reading

NOTHING: Mapping[str, Collection[Span]] = MappingProxyType({})


@task(name="extract", cache_policy=NO_CACHE)
def extract(
    outputs: Sequence[OutputsReference],
    store: Store,
    *,
    reading: Reading,
    merges: Sequence[MergeReference] = (),
    samples: Span | None = None,
    logits: Mapping[str, Collection[Span]] = NOTHING,
) -> Tally:
    """Run models over one data set, each image decoded once for all of them, and store their outputs.

    Args:
        outputs: of several models on the same data set.
        store: receives the outputs; models whose outputs it holds are not loaded.
        reading: how images are read.
        merges: evaluated in the same pass; none of them may need the outputs of all samples (`is_local`).
        samples: the samples to run on; None: all.
        logits: by prefix of outputs, the spans whose logits are needed, if the store holds outputs without.
    """
    if not outputs:
        return Tally(0, 0)
    dataset, device = outputs[0].dataset, default_device()
    spans = dataset.spans_within(samples)
    needed = {o: logits.get(o.prefix, ()) for o in outputs}
    missing = [o for o in outputs if missing_spans(store, o.prefix, dataset.spans, vectors=needed[o])]
    images = opened_images(dataset, reading, device)
    inference = Inference(dataset.preprocessing, outputs[0].scored.precision, reading.batch_size, dataset.groups)
    merged = tuple(dict.fromkeys(reference for merge in merges for reference in merge.outputs))
    states = load_states(dict.fromkeys((*missing, *merged)), store, device)
    sinks = [
        output_sink(o, build_classifier(states[o], o.model.url, o.model.architecture, device), inference, needed[o])
        for o in missing
    ]
    if merges:
        sinks += merge_sinks(merges, Merger(merged, [states[o] for o in merged], inference), store)[0]
    done = fill(
        store,
        sinks,
        spans,
        lambda part: blocks(images.batches(part), BLOCK if merges else 1),
        description=f"extract {dataset.name}",
        stage="extract",
        run=flow_run.id,
    )
    wanted = sum(span.length for span in spans) * (len(outputs) + len(merges))
    return Tally(done.computed, wanted - done.computed)
