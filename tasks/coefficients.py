"""Reading back the coefficients that were fitted, each sample's own or its cluster's."""

from storage.schemas import BINS, COEFFICIENTS, MIXTURES
from storage.store import Store
from storage.tables import read_samples, vectors
from tasks.numerics.checks import Floats


def read_coefficients(store: Store, prefix: str, start: int, stop: int) -> Floats:
    """Return the coefficients (n, M) of the samples `start` to `stop`, from a table of any kind that has them."""
    schema = next(table for table in (COEFFICIENTS, MIXTURES, BINS) if prefix.startswith(f"{table.name}/"))
    column = read_samples(store, prefix, schema, ["coefficients"])["coefficients"]
    return vectors(column)[start:stop]
