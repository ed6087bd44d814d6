"""The rules that were fitted to a data set: its offset, the components of its mixture, its bins."""

from typing import NamedTuple

from storage.schemas import COMPONENTS
from storage.store import Store
from storage.tables import read_table, vectors
from tasks.numerics.bins import Bins, find_bins
from tasks.numerics.checks import Floats
from tasks.numerics.offset import Offset
from tasks.opening.read_coefficients import StoredCoefficients
from tasks.opening.read_scores import StoredScores
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference


class Components(NamedTuple):
    """The K components of a mixture on the coefficients of M models."""

    weights: Floats
    """(K,) summing to one."""
    concentration: Floats
    """(K, M) the Dirichlet concentrations; the Beta of two models is the Dirichlet of (1 − λ, λ)."""
    coefficients: Floats
    """(K, M) the components' means, with which the samples of a cluster are merged."""


def read_components(store: Store, reference: MixtureReference) -> Components:
    """Return the components of a mixture, of the data set that it was fitted on.

    Raises:
        ObjectMissing: the store does not hold them: no run has fitted the mixture.
        StorageError: they cannot be read.
    """
    names = ["component", "weight", *COMPONENTS.vectors]
    table = read_table(store, reference.components_key, COMPONENTS, names).sort_by("component")
    concentration, means = (vectors(table[name]) for name in COMPONENTS.vectors)
    return Components(table["weight"].to_numpy(), concentration, means)


def offset_for(store: Store, reference: CoefficientsReference) -> Offset | None:
    """Return the offset of coefficients, from the data set that they were fitted on; None if they have none.

    Raises:
        ObjectMissing: the store does not hold the outputs of all samples.
        StorageError: they cannot be read.
    """
    return StoredScores(store, reference.fitted_on or reference).offset()


def bins_for(store: Store, reference: BinsReference) -> Bins:
    """Return the bins of the data set that they were made for; they follow from its stored coefficients.

    Raises:
        ObjectMissing: the store does not hold the coefficients of all samples.
        StorageError: they cannot be read.
    """
    own = reference.fitted_on or reference
    return find_bins(StoredCoefficients(store, own.coefficients).passes(), own.bins, seed=own.seed)
