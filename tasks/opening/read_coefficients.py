"""Coefficients from the store: every sample's own, or those of its cluster or bin."""

from storage.schemas import BINS, COEFFICIENTS, MIXTURES
from storage.spans import Span
from storage.store import Store
from storage.tables import read_samples, vectors
from tasks.numerics.checks import Floats
from tasks.numerics.measures import random_coefficients
from tasks.references.coefficients import CoefficientsReference


def drawn_coefficients(reference: CoefficientsReference) -> Floats:
    """Return coefficients (n, M) that are drawn, not measured: the same numbers at every call."""
    assert reference.seed is not None  # only drawn ones have a seed
    seed = [reference.seed, int(reference.dataset.digest[:8], 16)]
    kind = reference.expertise.removeprefix("random-")
    return random_coefficients(kind, reference.dataset.samples, len(reference.outputs), seed)


def read_coefficients(store: Store, prefix: str, span: Span) -> Floats:
    """Return the coefficients (n, M) of the samples of a span, from any table that holds coefficients.

    Raises:
        ObjectMissing: the table is not complete.
    """
    schema = next(table for table in (COEFFICIENTS, MIXTURES, BINS) if prefix.startswith(f"{table.name}/"))
    column = read_samples(store, prefix, schema, ["coefficients"])["coefficients"]
    return vectors(column)[slice(*span)]
