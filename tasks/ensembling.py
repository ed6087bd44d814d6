"""Ensembling: the models' stored probabilities averaged sample by sample. No model runs, so the parent does it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage import keys
from storage.schemas import OUTPUTS, PREDICTIONS
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns, read_table, vectors
from tasks.numerics.checks import Floats
from tasks.numerics.ensemble import mix_predictions
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.expertise import select_surest
from tasks.opening.read_coefficients import read_coefficients
from tasks.references.coefficients import CoefficientsReference
from tasks.references.predictions import EnsembleReference
from tasks.streaming.fill import Tally, fill
from tasks.streaming.sinks import Sink, scored


@task(name="evaluate ensembles", cache_policy=NO_CACHE)
def evaluate_ensembles(ensembles: Sequence[EnsembleReference], store: Store) -> Tally:
    """Average the stored probabilities of models on one data set, and store the predictions.

    Args:
        ensembles: on the same data set.
        store: holds the outputs, and receives the predictions.
    """
    by_outputs: dict[tuple[str, ...], list[EnsembleReference]] = {}
    for ensemble in ensembles:
        by_outputs.setdefault(tuple(outputs.id for outputs in ensemble.outputs), []).append(ensemble)
    tallies = [_evaluate(alike, store) for alike in by_outputs.values()]
    return Tally(sum(t.computed for t in tallies), sum(t.reused for t in tallies))


def _evaluate(ensembles: Sequence[EnsembleReference], store: Store) -> Tally:
    """Evaluate ensembles of the same outputs, which are read once."""
    first = ensembles[0]
    sinks = [_sink(ensemble, store) for ensemble in ensembles]

    def source(spans: list[Span]) -> Iterator[StoredOutputs]:
        return (_read(first, store, span) for span in spans)

    description = f"mix outputs of {first.dataset.name}"
    spans, run = first.dataset.spans, flow_run.id
    return fill(store, sinks, spans, source, description=description, stage="mix outputs", run=run)


class StoredOutputs(NamedTuple):
    """The stored outputs of M models on the samples of one span."""

    span: Span
    sample_index: NDArray[np.int64]
    labels: NDArray[np.int32]
    log_p: list[Floats]
    """M arrays (n, classes) of log-probabilities."""
    entropies: Floats
    """(n, M), nats."""


def _read(ensemble: EnsembleReference, store: Store, span: Span) -> StoredOutputs:
    columns = ["sample_index", "label", "entropy", "logits"]
    tables = [
        read_table(store, keys.samples(o.prefix, span), OUTPUTS[o.scored.logits], columns) for o in ensemble.outputs
    ]
    temperatures = [outputs.model.temperature for outputs in ensemble.outputs]
    return StoredOutputs(
        span=span,
        sample_index=tables[0]["sample_index"].to_numpy(),
        labels=tables[0]["label"].fill_null(-1).to_numpy(),
        log_p=[log_probabilities(vectors(t["logits"]), T) for t, T in zip(tables, temperatures, strict=True)],
        entropies=np.column_stack([table["entropy"].to_numpy() for table in tables]),
    )


def _sink(ensemble: EnsembleReference, store: Store) -> Sink[StoredOutputs]:
    def coefficients(outputs: StoredOutputs, _: Mapping[str, Any]) -> Floats:
        if isinstance(ensemble.weighting, CoefficientsReference):
            return read_coefficients(store, ensemble.weighting, outputs.span)
        if ensemble.weighting == "surest":
            return select_surest(outputs.entropies)
        return np.full((1, len(outputs.log_p)), 1.0 / len(outputs.log_p))

    def compute(outputs: StoredOutputs, weights: Floats) -> Floats:
        return mix_predictions(outputs.log_p, weights)

    def columns(outputs: StoredOutputs, log_p: Floats) -> Columns:
        return scored(log_p, outputs.labels)

    return Sink(
        prefix=ensemble.prefix,
        schema=PREDICTIONS,
        identity=ensemble.identity,
        needs=coefficients,
        compute=compute,
        columns=columns,
    )
