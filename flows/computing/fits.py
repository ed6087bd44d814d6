"""The tables of a data set that the parent computes itself: coefficients, clusters and bins, and mixed outputs."""

from collections.abc import Sequence

from storage.store import Store
from tasks.ensembling import evaluate_ensembles
from tasks.fitting import fit_bins, fit_coefficients, fit_mixture
from tasks.progress import work
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.predictions import EnsembleReference


def fit(
    dataset: DatasetReference,
    coefficients: Sequence[CoefficientsReference],
    mixtures: Sequence[MixtureReference],
    bins: Sequence[BinsReference],
    store: Store,
) -> None:
    """Fit tables of a data set.

    Args:
        dataset: of the tables.
        coefficients: every sample's own, from which the other tables are fitted.
        mixtures: to fit.
        bins: to cut.
        store: holds the outputs, and receives the tables.
    """
    count = len(coefficients) + len(mixtures) + len(bins)
    with work(f"fit {dataset.name}", count, stage="fit", unit="tables") as progress:
        for one in coefficients:
            name = f"fit {one.expertise} coefficients of {dataset.name}"
            fit_coefficients.with_options(task_run_name=name)(one, store)
            progress.advance(1)
        for mixture in mixtures:
            name = f"fit {mixture.components} clusters of {dataset.name}"
            fit_mixture.with_options(task_run_name=name)(mixture, store)
            progress.advance(1)
        for binned in bins:
            name = f"cut {binned.bins} bins of {dataset.name}"
            fit_bins.with_options(task_run_name=name)(binned, store)
            progress.advance(1)


def mix(dataset: DatasetReference, ensembles: Sequence[EnsembleReference], store: Store) -> None:
    """Evaluate output ensembles on a data set.

    Args:
        dataset: of the outputs.
        ensembles: to evaluate.
        store: holds the outputs, and receives the predictions.
    """
    evaluate_ensembles.with_options(task_run_name=f"mix outputs of {dataset.name}")(ensembles, store)
