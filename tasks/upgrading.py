"""Upgrading: outputs of an earlier version of this program, written again in today's form. No model runs."""

import logging
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage import keys
from storage.errors import ObjectDamaged
from storage.schemas import OUTPUTS
from storage.soundness import missing_spans
from storage.spans import Span
from storage.store import Store
from storage.tables import ROW_GROUP, Columns, TableWriter, vectors
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.sample_predictions import predict
from tasks.opening.former_outputs import former_spans, read_former
from tasks.progress import work
from tasks.references.outputs import OutputsReference
from tasks.streaming.fill import Tally

log = logging.getLogger("dawin.upgrading")


@task(name="upgrade outputs", cache_policy=NO_CACHE)
def upgrade_outputs(
    outputs: Sequence[OutputsReference], store: Store, logits: Mapping[str, Collection[Span]] | None = None
) -> Tally:
    """Write outputs that a store holds in the form of version 1 in today's form, and log one line for all of them.

    The columns that version 1 does not have are computed from its logits, as a new forward pass would compute them. An
    object that turns out to be damaged is left to the pass that extracts.

    Args:
        outputs: of models on data sets; those that are complete, or have no former objects, stay as they are.
        store: holds the former objects, which stay, and receives the new ones.
        logits: by prefix of outputs, the spans whose logits are needed, if the store holds outputs without.
    """
    former = []
    for reference in outputs:
        needed = (logits or {}).get(reference.prefix, ())
        missing = missing_spans(store, reference.prefix, reference.dataset.spans, vectors=needed)
        former += [(reference, span) for span in former_spans(reference, missing, store)]
    computed, total = 0, sum(span.length for _, span in former)
    if former:
        with work("upgrade outputs", total, stage="upgrade", unit="predictions") as progress:
            for reference, span in former:
                computed += _upgrade(reference, span, store)
                progress.advance(span.length)
    if computed:
        names = ", ".join(dict.fromkeys(reference.dataset.name for reference, _ in former))
        log.info("upgraded: outputs of an earlier dawin on %s, %d predictions, without a forward pass", names, computed)
    return Tally(computed, sum(reference.dataset.samples for reference in outputs) - computed)


def _upgrade(reference: OutputsReference, span: Span, store: Store) -> int:
    """Write one object, and return its number of rows; 0 where the former one is damaged."""
    try:
        former = read_former(reference, span, store)
    except ObjectDamaged as error:
        log.warning("not upgraded: %s", error)
        return 0
    keeps = reference.scored.logits != "none"
    writer = TableWriter(
        store,
        keys.samples(reference.prefix, span),
        OUTPUTS["fp32"],
        identity=reference.identity,
        widths={"logits": vectors(former["logits"]).shape[1] if keeps else 0},
        run=flow_run.id,
    )
    for start in range(0, span.length, ROW_GROUP):
        columns = _upgraded(former.slice(start, ROW_GROUP), reference.model.temperature)
        writer.append({name: values for name, values in columns.items() if keeps or name != "logits"})
    writer.commit()
    return span.length


def _upgraded(former: pa.Table, temperature: float) -> Columns:
    """Return the columns of rows in today's form."""
    logits, labels = vectors(former["logits"]), former["label"].fill_null(-1).to_numpy()
    scores = predict(log_probabilities(logits, temperature), labels)
    kept = {name: _masked(former[name]) for name in former.column_names if name != "logits"}
    return {**kept, "confidence": scores.confidence, "sum_of_squares": scores.sum_of_squares, "logits": logits}


def _masked(column: pa.ChunkedArray) -> np.ma.MaskedArray:
    """Return a column as an array; null values are masked."""
    return np.ma.masked_array(column.fill_null(0).to_numpy(), mask=column.is_null().to_numpy())
