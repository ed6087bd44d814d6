"""Reading back the coefficients that were fitted, each sample's own or its cluster's."""

from storage.schemas import BINS, COEFFICIENTS, MIXTURES
from storage.store import Store
from storage.tables import read_samples, vectors
from tasks.numerics.checks import Floats
from tasks.numerics.measures import random_coefficients
from tasks.references.derived import CoefficientsReference


def drawn_coefficients(reference: CoefficientsReference) -> Floats:
    """Return coefficients (n, M) that are drawn and not measured, the same whenever they are asked for."""
    assert reference.seed is not None  # only those that are drawn have one
    seed = [reference.seed, int(reference.dataset.digest[:8], 16)]
    kind = reference.expertise.removeprefix("random-")
    return random_coefficients(kind, reference.dataset.samples, len(reference.outputs), seed)


def read_coefficients(store: Store, prefix: str, start: int, stop: int) -> Floats:
    """Return the coefficients (n, M) of the samples `start` to `stop`, from a table of any kind that has them."""
    schema = next(table for table in (COEFFICIENTS, MIXTURES, BINS) if prefix.startswith(f"{table.name}/"))
    column = read_samples(store, prefix, schema, ["coefficients"])["coefficients"]
    return vectors(column)[start:stop]
