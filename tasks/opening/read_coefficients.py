"""Coefficients that a store holds, every sample's own or its cluster's or bin's, and coefficients that are drawn."""

from storage.schemas import BINS, COEFFICIENTS, MIXTURES
from storage.spans import Span
from storage.store import Store
from storage.tables import read_samples, vectors
from tasks.methods.registry import method_of
from tasks.numerics.checks import Floats
from tasks.references.coefficients import CoefficientsReference


def drawn_coefficients(reference: CoefficientsReference) -> Floats:
    """Return coefficients (n, M) that their method draws: the same numbers at every call."""
    assert reference.seed is not None  # only drawn ones have a seed
    seed = [reference.seed, int(reference.dataset.digest[:8], 16)]
    method, member = method_of(reference.expertise), reference.expertise.partition("/")[2]
    return method.draw(member, reference.dataset.samples, len(reference.outputs), seed)


def read_coefficients(store: Store, prefix: str, span: Span) -> Floats:
    """Return the coefficients (n, M) of the samples of a span, from any table that holds coefficients.

    Raises:
        ObjectMissing: the table is not complete.
    """
    schema = next(table for table in (COEFFICIENTS, MIXTURES, BINS) if prefix.startswith(f"{table.name}/"))
    column = read_samples(store, prefix, schema, ["coefficients"])["coefficients"]
    return vectors(column)[slice(*span)]
