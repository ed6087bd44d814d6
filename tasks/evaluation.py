"""Evaluation: merged models over the images, ensembles over the stored outputs; a table of predictions a method."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage import keys
from storage.schemas import OUTPUTS, PREDICTIONS
from storage.store import Store
from storage.tables import Columns, read_table, vectors
from tasks.coefficients import read_coefficients
from tasks.datasets.loading import Batch
from tasks.inference import logits_of
from tasks.inputs import OpenedDataset, default_device, load_state
from tasks.merging.combination import check_same_layout
from tasks.merging.pool import FlatWeights, MergedModels
from tasks.models.classifier import build_classifier
from tasks.numerics.checks import Floats
from tasks.numerics.ensemble import mix_predictions
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.expertise import select_surest
from tasks.references import CoefficientsReference, EnsembleReference, MergeReference
from tasks.streaming import Sink, Span, Tally, fill, scored

_RESIDENT_BYTES = 4 << 30  # of merged models held at a time; what does not fit is another pass over the images
_FEW = 64  # distinct coefficient vectors of a table up to which its merged models are held


@task(name="evaluate merges", cache_policy=NO_CACHE)
def evaluate_merges(
    merges: Sequence[MergeReference], store: Store, *, batch_size: int, workers: int | None = None
) -> Tally:
    """Run merged models over one data set and store their predictions.

    Each image is decoded once for as many merges as memory holds models for. A merge whose coefficients are the
    same for many samples (all of them, or a cluster) is made once; one of a single sample when its turn comes.

    Args:
        merges: of the same models on the same data set.
        store: what is there already is left alone.
        batch_size: images at a time.
        workers: decoding processes; None: one a core.
    """
    if not merges:
        return Tally(0, 0)
    first, device = merges[0], default_device()
    opened = OpenedDataset(first.dataset, batch_size, workers, device)
    states = [load_state(outputs) for outputs in first.outputs]
    check_same_layout(states, [outputs.model.name for outputs in first.outputs])
    states = [{name: tensor.to(device) for name, tensor in state.items()} for state in states]
    weights = FlatWeights(states)
    model = build_classifier(states[0], first.outputs[0].model.url, first.outputs[0].model.architecture, device)
    tables = [_coefficients(merge, store) for merge in merges]
    passes = _passes(tables, max(1, _RESIDENT_BYTES // _bytes(states[0])))
    del states
    computed = 0
    for chosen in passes:
        few = MergedModels(model, weights, max(1, sum(_distinct(tables[i]) for i in chosen if _is_few(tables[i]))))
        many = MergedModels(model, weights, 1)
        sinks = [_merge_sink(merges[i], tables[i], few if _is_few(tables[i]) else many) for i in chosen]
        description = f"evaluate {first.dataset.name}"
        computed += fill(
            store, sinks, first.dataset.spans, opened.batches, description=description, run=flow_run.id
        ).computed
    return Tally(computed, first.dataset.samples * len(merges) - computed)


@task(name="evaluate ensembles", cache_policy=NO_CACHE)
def evaluate_ensembles(ensembles: Sequence[EnsembleReference], store: Store) -> Tally:
    """Mix what the models said of one data set and store the predictions; no model runs."""
    first = ensembles[0]
    sinks = [_ensemble_sink(ensemble, store) for ensemble in ensembles]

    def source(spans: list[Span]) -> Iterator[Said]:
        return (_said(first, store, span) for span in spans)

    description = f"mix outputs of {first.dataset.name}"
    return fill(store, sinks, first.dataset.spans, source, description=description, run=flow_run.id)


class Said(NamedTuple):
    """What the models said of the samples of one span."""

    span: Span
    sample_index: NDArray[np.int64]
    labels: NDArray[np.int32]
    log_p: list[Floats]
    entropies: Floats


def _coefficients(merge: MergeReference, store: Store) -> Floats:
    """Return the merge's coefficients, (n, M), or (1, M) when all samples share them."""
    if isinstance(merge.source, tuple):
        return np.array([merge.source])
    return read_coefficients(store, merge.source.prefix, 0, merge.dataset.samples)


def _distinct(table: Floats) -> int:
    return len(np.unique(table, axis=0))


def _is_few(table: Floats) -> bool:
    """Tell whether a table's merged models can all be held; a look at its first rows settles most cases."""
    return _distinct(table[: 4 * _FEW]) <= _FEW and _distinct(table) <= _FEW


def _passes(tables: Sequence[Floats], capacity: int) -> list[list[int]]:
    """Cut the merges into passes over the images, so that the models held in one pass do not exceed `capacity`."""
    passes: list[list[int]] = [[]]
    held = 0
    for i, table in enumerate(tables):
        models = _distinct(table) if _is_few(table) else 0
        if passes[-1] and held + models > capacity:
            passes.append([])
            held = 0
        passes[-1].append(i)
        held += models
    return passes


def _bytes(state: dict[str, torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def _merge_sink(merge: MergeReference, table: Floats, models: MergedModels) -> Sink[Batch]:
    precision = merge.outputs[0].precision

    def compute(batch: Batch) -> Columns:
        rows = table[batch.sample_index] if len(table) > 1 else np.repeat(table, len(batch.sample_index), axis=0)
        distinct, member = np.unique(rows, axis=0, return_inverse=True)
        logits: Floats | None = None
        for i, coefficients in enumerate(distinct):
            mine = np.flatnonzero(member == i)
            images = batch.images if len(distinct) == 1 else batch.images[torch.from_numpy(mine)]
            values = logits_of(models.get(tuple(coefficients.tolist())), images, precision)
            if logits is None:
                logits = np.empty((len(rows), values.shape[1]))
            logits[mine] = values
        assert logits is not None  # a batch is never empty
        return scored(log_probabilities(logits), batch.labels)

    return Sink(prefix=merge.prefix, schema=PREDICTIONS, identity=merge.identity, compute=compute)


def _said(ensemble: EnsembleReference, store: Store, span: Span) -> Said:
    columns = ["sample_index", "label", "entropy", "logits"]
    tables = [read_table(store, keys.samples(o.prefix, *span), OUTPUTS, columns) for o in ensemble.outputs]
    temperatures = [outputs.model.temperature for outputs in ensemble.outputs]
    return Said(
        span=span,
        sample_index=tables[0]["sample_index"].to_numpy(),
        labels=tables[0]["label"].fill_null(-1).to_numpy(),
        log_p=[log_probabilities(vectors(t["logits"]), T) for t, T in zip(tables, temperatures, strict=True)],
        entropies=np.column_stack([table["entropy"].to_numpy() for table in tables]),
    )


def _ensemble_sink(ensemble: EnsembleReference, store: Store) -> Sink[Said]:
    def shares(said: Said) -> Floats:
        if isinstance(ensemble.weighting, CoefficientsReference):
            return read_coefficients(store, ensemble.weighting.prefix, *said.span)
        if ensemble.weighting == "surest":
            return select_surest(said.entropies)
        return np.full((1, len(said.log_p)), 1.0 / len(said.log_p))

    def compute(said: Said) -> Columns:
        return scored(mix_predictions(said.log_p, shares(said)), said.labels)

    return Sink(prefix=ensemble.prefix, schema=PREDICTIONS, identity=ensemble.identity, compute=compute)
