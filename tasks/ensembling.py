"""Ensembling: what the models said, mixed by sample; no model runs, so this is done where the fits are."""

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
from tasks.references.derived import CoefficientsReference, EnsembleReference
from tasks.streaming.fill import Tally, fill
from tasks.streaming.sinks import Sink, scored


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


def _said(ensemble: EnsembleReference, store: Store, span: Span) -> Said:
    columns = ["sample_index", "label", "entropy", "logits"]
    tables = [read_table(store, keys.samples(o.prefix, span), OUTPUTS[o.logits], columns) for o in ensemble.outputs]
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

    def compute(said: Said, _: Mapping[str, Any]) -> Floats:
        return mix_predictions(said.log_p, shares(said))

    def columns(said: Said, log_p: Floats) -> Columns:
        return scored(log_p, said.labels)

    return Sink(
        prefix=ensemble.prefix, schema=PREDICTIONS, identity=ensemble.identity, compute=compute, columns=columns
    )
