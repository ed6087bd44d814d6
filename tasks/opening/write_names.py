"""The names and labels of a data set's samples, written into the store, where predictions are joined with them.

This file joins storage and data sets.
"""

import numpy as np

from storage import keys
from storage.schemas import SAMPLES
from storage.soundness import Listing, missing_spans
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns, TableWriter
from tasks.datasets.samples import Samples
from tasks.references.names import NamesReference


def write_names(store: Store, reference: NamesReference, samples: Samples, *, listing: Listing | None = None) -> None:
    """Write the names of a data set's samples, as far as the store does not hold them.

    A store that holds them costs one listing.

    Args:
        store: receives the table `samples`.
        reference: the table.
        samples: the samples of the reference's data set, in order.
        listing: a listing of the table's prefix, if the caller has one already.
    """
    for span in missing_spans(store, reference.prefix, reference.dataset.spans, listing=listing):
        writer = TableWriter(store, keys.samples(reference.prefix, span), SAMPLES, identity=reference.identity)
        writer.append(_columns(samples, span))
        writer.commit()


def _columns(samples: Samples, span: Span) -> Columns:
    labels = samples.labels[slice(*span)]
    known, classes = labels >= 0, samples.classes if samples.named else ()
    return {
        "sample_index": np.arange(*span),
        "name": samples.images.keys(samples.rows[slice(*span)]),
        "label": np.ma.masked_array(labels, mask=~known),
        "label_name": [classes[label] if classes and label >= 0 else None for label in labels.tolist()],
    }
