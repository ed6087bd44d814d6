"""Outputs that an earlier version of this program stored: where they lie, which of them are sound, and their rows.

Outputs of version 1 have no confidences and no sums of squares. Both follow from the logits, which float32 holds as the
models gave them. Logits that were rounded to float16 give other numbers, so such outputs are not used.
"""

import pyarrow as pa

from storage import keys
from storage.errors import ObjectOutdated
from storage.former_schemas import OUTPUTS_1
from storage.identity import digest_of
from storage.soundness import Listing, states
from storage.spans import Span
from storage.store import Store
from storage.tables import read_table
from tasks.references.outputs import OutputsReference


def former_prefix(reference: OutputsReference) -> str:
    """Return the prefix that version 1 gave the objects of outputs.

    Args:
        reference: the outputs.
    """
    identity = {**reference.content, "schemas": {OUTPUTS_1.name: OUTPUTS_1.version}}
    return keys.outputs(reference.dataset.digest, reference.model.weights, digest_of(identity))


def former_spans(
    reference: OutputsReference, spans: list[Span], store: Store, *, listing: Listing | None = None
) -> list[Span]:
    """Return those spans whose outputs a store holds in the form of version 1, sound and with logits in float32.

    Args:
        reference: the outputs.
        spans: those that the store does not hold in today's form.
        store: the store.
        listing: a listing of the data set's outputs, if the caller has one already.
    """
    if reference.scored.logits_type != "fp32" or not spans:
        return []
    prefix = former_prefix(reference)
    wanted = {keys.samples(prefix, span): span for span in spans}
    found = states(store, prefix, only=wanted.keys(), listing=listing)
    return [span for key, span in wanted.items() if isinstance(found.get(key), ObjectOutdated)]


def read_former(reference: OutputsReference, span: Span, store: Store) -> pa.Table:
    """Return the rows of one span of outputs in the form of version 1.

    Raises:
        StorageError: the object is missing, damaged or of another version.
    """
    return read_table(store, keys.samples(former_prefix(reference), span), OUTPUTS_1)
