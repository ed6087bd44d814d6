"""Merged models over a batch: the sinks of a pass that evaluates merges, and the models that they share."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from storage import keys
from storage.schemas import OUTPUTS, PREDICTIONS
from storage.soundness import missing_spans
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns, read_table
from tasks.datasets.loading import Batch, Order
from tasks.merging.combination import check_same_layout
from tasks.merging.per_sample import PerSample, merge_per_sample
from tasks.merging.pool import FlatWeights, MergedModels
from tasks.models.classifier import build_classifier
from tasks.numerics.checks import Floats
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.expertise import model_coefficients
from tasks.numerics.predictions import predict
from tasks.opening.read_coefficients import drawn_coefficients, read_coefficients
from tasks.references.base import OutputsReference
from tasks.references.derived import CoefficientsReference, MergeReference
from tasks.streaming.inference import DTYPES, Inference
from tasks.streaming.sinks import Sink, scored

_RESIDENT_BYTES = 4 << 30  # of merged models that stay, on a processor
_RESIDENT_SHARE = 4  # of a GPU's memory: one in so many

Rows = Callable[[Batch, Mapping[str, Any]], Floats]
"""From a batch, and the logits that were computed of it, to its coefficients (n, M)."""


class Merger:
    """The merged models of one data set: one for many samples from a pool, or every sample's own at once.

    Args:
        outputs: of all models that are merged in one merge or another, the base first.
        states: their tensors, on the device; they become pieces of one vector a model.
        inference: runs them.
    """

    def __init__(
        self, outputs: Sequence[OutputsReference], states: Sequence[dict[str, torch.Tensor]], inference: Inference
    ) -> None:
        check_same_layout(states, [reference.model.name for reference in outputs])
        self._place = {reference.model.digest: i for i, reference in enumerate(outputs)}
        self._first, self._states, self._inference = outputs[0].model, list(states), inference
        self._weights = FlatWeights(self._states, share=True)
        self._per_sample: dict[tuple[int, ...], PerSample] = {}

    def shared(self, merge: MergeReference, images: torch.Tensor, rows: Floats) -> Floats:
        """Return the logits (n, classes) of models that are the same for many rows of coefficients (n, M)."""
        spread = np.zeros((len(rows), len(self._states)))
        for column, place in enumerate(self._places(merge)):
            spread[:, place] += rows[:, column]  # added: a checkpoint may be there under two names
        return run_shared(self._inference, self.pool, images, spread)

    def own(self, merge: MergeReference, images: torch.Tensor, rows: Floats) -> Floats:
        """Return the logits (n, classes) of every sample's own model, coefficients (n, M)."""
        places = tuple(self._places(merge))
        if places not in self._per_sample:
            dtype = None if self._inference.precision == "fp32" else DTYPES[self._inference.precision]
            states = [self._states[i] for i in places]
            self._per_sample[places] = merge_per_sample(self._skeleton, states, dtype=dtype)
        return self._inference.logits(self._per_sample[places], images, rows)

    def _places(self, merge: MergeReference) -> list[int]:
        return [self._place[reference.model.digest] for reference in merge.outputs]

    @cached_property
    def pool(self) -> MergedModels:
        """Merged models, as many as memory is set aside for."""
        device = next(iter(self._states[0].values())).device
        total = torch.cuda.get_device_properties(device).total_memory // _RESIDENT_SHARE if device.type == "cuda" else 0
        one = sum(tensor.numel() * tensor.element_size() for tensor in self._states[0].values())
        return MergedModels(self._skeleton, self._weights, max(0, (total or _RESIDENT_BYTES) // one - 1))

    @cached_property
    def _skeleton(self) -> torch.nn.Module:
        device = next(iter(self._states[0].values())).device
        return build_classifier(self._states[0], self._first.url, self._first.architecture, str(device))


def run_shared(inference: Inference, pool: MergedModels, images: torch.Tensor, rows: Floats) -> Floats:
    """Return the logits (n, classes) of images by the models of their coefficients (n, M), each model run once."""
    distinct, member = np.unique(rows, axis=0, return_inverse=True)
    parts, places = [], []
    for i, coefficients in enumerate(distinct):
        mine = np.flatnonzero(member == i)
        chosen = images if len(distinct) == 1 else images[torch.from_numpy(mine).to(images.device)]
        parts.append(inference.logits(pool.get(tuple(coefficients.tolist())), chosen))
        places.append(mine)
    logits: Floats = np.concatenate(parts)[np.argsort(np.concatenate(places))]
    return logits


def merge_sinks(
    merges: Sequence[MergeReference], merger: Merger, store: Store
) -> tuple[list[Sink[Batch]], Order | None]:
    """Return the sinks of merges of the same models, and the order of samples that suits them.

    Merges of few models come first: theirs are the ones that stay in the pool. Where samples share models in groups,
    they come group by group, so that each group's model runs on many samples at a time and is merged seldom.
    """
    tables = {merge.prefix: _table(merge, store) for merge in merges if _is_grouped(merge)}
    groups = {prefix: np.unique(table, axis=0, return_inverse=True)[1] for prefix, table in tables.items()}
    count = {prefix: int(member.max()) + 1 for prefix, member in groups.items()}
    by_count = sorted(merges, key=lambda merge: count.get(merge.prefix, 1))
    sinks = [_sink(merge, _rows(merge, tables.get(merge.prefix), store), merger) for merge in by_count]
    finest = max(count, key=count.__getitem__, default=None)
    return sinks, None if finest is None else _grouped(groups[finest])


def _is_grouped(merge: MergeReference) -> bool:
    return not isinstance(merge.source, tuple | CoefficientsReference)


def _table(merge: MergeReference, store: Store) -> Floats:
    assert not isinstance(merge.source, tuple)  # those have no table
    return merge.rows(read_coefficients(store, merge.source.prefix, 0, merge.dataset.samples))


def _grouped(member: NDArray[np.intp]) -> Order:
    return lambda span: span[0] + np.argsort(member[slice(*span)], kind="stable")


def _rows(merge: MergeReference, table: Floats | None, store: Store) -> Rows:
    source = merge.source
    if isinstance(source, tuple):
        return lambda batch, _: np.tile(source, (len(batch.sample_index), 1))
    if isinstance(source, CoefficientsReference) and missing_spans(
        store, source.prefix, [Span(0, merge.dataset.samples)]
    ):
        if source.seed is not None:
            drawn = merge.rows(drawn_coefficients(source))
            return lambda batch, _: drawn[batch.sample_index]
        local = _LocalRows(source, store)
        return lambda batch, results: merge.rows(local(batch, results))
    known = _table(merge, store) if table is None else table
    return lambda batch, _: known[batch.sample_index]


class _LocalRows:
    """Coefficients that follow from each sample alone, from the logits at hand or from stored outputs."""

    def __init__(self, reference: CoefficientsReference, store: Store) -> None:
        if not reference.is_local:
            raise ValueError(f"{reference.prefix}: coefficients that look at all samples were not fitted yet")
        self._reference, self._store = reference, store
        self._stored: dict[str, tuple[Span, Floats]] = {}

    def __call__(self, batch: Batch, results: Mapping[str, Any]) -> Floats:
        columns = [self._uncertainty(outputs, batch, results) for outputs in self._reference.outputs]
        return model_coefficients(np.column_stack(columns), offset=False)

    def _uncertainty(self, outputs: OutputsReference, batch: Batch, results: Mapping[str, Any]) -> Floats:
        column = self._reference.column
        if outputs.prefix in results:
            scores = predict(log_probabilities(results[outputs.prefix], outputs.model.temperature), batch.labels)
            values: Floats = getattr(scores, column)
            return values
        span, stored = self._stored.get(outputs.prefix, (Span(0, 0), np.empty(0)))
        if span != batch.span:
            table = read_table(self._store, keys.samples(outputs.prefix, batch.span), OUTPUTS[outputs.logits], [column])
            span, stored = self._stored[outputs.prefix] = batch.span, table[column].to_numpy()
        return stored[batch.sample_index - span[0]]


def _sink(merge: MergeReference, rows: Rows, merger: Merger) -> Sink[Batch]:
    run = merger.own if isinstance(merge.source, CoefficientsReference) else merger.shared

    def compute(batch: Batch, results: Mapping[str, Any]) -> Floats:
        return run(merge, batch.images, rows(batch, results))

    def columns(batch: Batch, logits: Floats) -> Columns:
        return scored(log_probabilities(logits), batch.labels)

    return Sink(prefix=merge.prefix, schema=PREDICTIONS, identity=merge.identity, compute=compute, columns=columns)
