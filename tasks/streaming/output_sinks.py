"""Sinks of a pass that extracts: one table of outputs per model."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from storage.schemas import OUTPUTS
from storage.spans import Span
from storage.tables import Columns
from tasks.datasets.loading import Batch
from tasks.models.classifier import ImageClassifier
from tasks.numerics.checks import Floats
from tasks.numerics.entropy import log_probabilities
from tasks.references.outputs import OutputsReference
from tasks.streaming.devices import device_name
from tasks.streaming.inference import Inference
from tasks.streaming.sinks import Sink, scored

_STORED = {"fp32": np.float32, "fp16": np.float16}


def output_sink(
    reference: OutputsReference, model: ImageClassifier, inference: Inference, vectors: Collection[Span] = ()
) -> Sink[Batch]:
    """Return the sink of one model's outputs.

    Args:
        reference: names the table.
        model: the classifier.
        inference: runs it.
        vectors: as for `logits_sink`.
    """
    return logits_sink(
        reference.prefix,
        reference.identity,
        model,
        inference,
        temperature=reference.model.temperature,
        stored=reference.scored.logits,
        vectors=vectors,
    )


def logits_sink(
    prefix: str,
    identity: Mapping[str, Any],
    model: ImageClassifier,
    inference: Inference,
    *,
    temperature: float = 1.0,
    stored: str = "fp32",
    vectors: Collection[Span] = (),
) -> Sink[Batch]:
    """Return a sink of logits and of the columns computed from them before they are rounded for storage.

    Args:
        prefix: of the table's objects.
        identity: recorded with the objects.
        model: the classifier.
        inference: runs it.
        temperature: divides the logits before entropy and loss.
        stored: type that the logits are stored in, `fp32` or `fp16`; `none`: they are not stored.
        vectors: the spans whose stored objects must have logits, if the store holds them already.
    """
    classes = len(inference.groups) if inference.groups else model.head.out_features

    def compute(batch: Batch, _: None) -> Floats:
        return inference.logits(model, batch.images)

    def columns(batch: Batch, logits: Floats) -> Columns:
        predicted = scored(log_probabilities(logits, temperature), batch.labels)
        return {**predicted, "logits": logits.astype(_STORED[stored])} if stored in _STORED else predicted

    return Sink(
        prefix=prefix,
        schema=OUTPUTS[stored],
        identity=identity,
        compute=compute,
        columns=columns,
        device=device_name(model.head.weight.device),
        widths={"logits": classes if stored in _STORED else 0},
        vectors=vectors,
    )
