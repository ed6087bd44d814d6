"""Fitting: every sample's coefficients from the models' outputs, and clusters or bins of them. The parent does it.

Each table is read and written span by span, and no fit holds all samples. A run that was killed continues: it writes
the spans that are missing, with the components of the mixture that the killed run has committed.
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage.schemas import BINS, COEFFICIENTS, COMPONENTS, MIXTURES
from storage.soundness import is_committed, missing_spans
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns, TableWriter
from tasks.errors import too_few_for_clusters
from tasks.numerics.checks import Floats
from tasks.numerics.clustering import Clusters, assign, find_clusters
from tasks.numerics.expectation_maximization import ConvergenceWarning
from tasks.numerics.metrics.coefficient_error import coefficient_error
from tasks.opening.fitted_rules import bins_for, offset_for, read_components
from tasks.opening.read_coefficients import StoredCoefficients, drawn_coefficients
from tasks.opening.read_scores import StoredScores
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.streaming.fill import Tally
from tasks.streaming.fitted_table import ColumnsByPiece, write_spans

log = logging.getLogger("dawin.fitting")


@task(name="fit coefficients", cache_policy=NO_CACHE)
def fit_coefficients(reference: CoefficientsReference, store: Store) -> Tally:
    """Compute every sample's coefficients from the models' outputs, and store them."""
    dataset, models = reference.dataset, len(reference.outputs)
    missing = missing_spans(store, reference.prefix, dataset.spans)
    if not missing:
        return Tally(0, dataset.samples)
    if models > 2 and reference.offset:
        log.warning("offset: defined for two models, without effect for %d", models)
    of_span, total = _coefficients(reference, store), np.zeros(models)

    def columns(span: Span) -> Iterable[Columns]:
        nonlocal total
        coefficients = of_span(span)
        total += coefficients.sum(axis=0)
        return [{"coefficients": coefficients}]

    write_spans(
        store, reference, COEFFICIENTS, missing, columns=columns, widths={"coefficients": models}, run=flow_run.id
    )
    tally = _tally(missing, dataset.samples)
    names = [outputs.model.name for outputs in reference.outputs]
    shares = ", ".join(f"{name} {mean:.2f}" for name, mean in zip(names, total / tally.computed, strict=True))
    log.info(
        "data set %s: mean %s coefficients of %d samples: %s",
        *(dataset.name, reference.expertise, tally.computed, shares),
    )
    return tally


@task(name="fit mixture", cache_policy=NO_CACHE)
def fit_mixture(reference: MixtureReference, store: Store) -> Tally:
    """Cluster the coefficients of a data set with a Beta mixture (two models) or a Dirichlet mixture (more).

    The components are committed first. Each sample's cluster follows from them and its own coefficients.

    Raises:
        FitError: fewer samples than clusters.
    """
    dataset = reference.dataset
    missing = missing_spans(store, reference.prefix, dataset.spans)
    has_components = is_committed(store, reference.components_key)
    if has_components and not missing:
        return Tally(0, dataset.samples)
    stored = StoredCoefficients(store, reference.coefficients)
    if not has_components and not reference.fitted_on:
        if isinstance(reference.components, int) and dataset.samples < reference.components:
            raise too_few_for_clusters(dataset.name, dataset.samples, reference.components)
        _fit_components(reference, stored, store)
    # another run may have written them: all spans follow from the ones in the store
    weights, concentration, means = read_components(store, reference)

    def columns(coefficients: Floats) -> Columns:
        found = assign(weights, concentration, coefficients)
        return {
            "component": found.assignment,
            "responsibilities": found.responsibilities,
            "coefficients": means[found.assignment],
        }

    by_piece = ColumnsByPiece(dataset.samples, stored.of, columns)
    widths = {"responsibilities": len(weights), "coefficients": means.shape[1]}
    write_spans(store, reference, MIXTURES, missing, columns=by_piece, widths=widths, run=flow_run.id)
    return _tally(missing, dataset.samples)


@task(name="fit bins", cache_policy=NO_CACHE)
def fit_bins(reference: BinsReference, store: Store) -> Tally:
    """Cut the coefficients of a data set into bins, and log how far samples are moved from their own."""
    dataset = reference.dataset
    missing = missing_spans(store, reference.prefix, dataset.spans)
    if not missing:
        return Tally(0, dataset.samples)
    stored = StoredCoefficients(store, reference.coefficients)
    bins = bins_for(store, reference)
    errors = list[tuple[int, float, float]]()

    def columns(coefficients: Floats) -> Columns:
        assignment = bins.assign(coefficients)
        used = bins.coefficients[assignment]
        errors.append((len(used), *coefficient_error(coefficients, used)))
        return {"bin": assignment, "coefficients": used}

    by_piece = ColumnsByPiece(dataset.samples, stored.of, columns)
    widths = {"coefficients": bins.coefficients.shape[1]}
    write_spans(store, reference, BINS, missing, columns=by_piece, widths=widths, run=flow_run.id)
    counts, means, largest = np.array(errors).T
    log.info(
        "data set %s: %d of %d bins have samples; coefficients are off by %.2g in the mean, %.2g at most",
        *(dataset.name, len(bins.coefficients), reference.bins, np.average(means, weights=counts), largest.max()),
    )
    return _tally(missing, dataset.samples)


def _tally(missing: Sequence[Span], samples: int) -> Tally:
    computed = sum(span.length for span in missing)
    return Tally(computed, samples - computed)


def _coefficients(reference: CoefficientsReference, store: Store) -> Callable[[Span], Floats]:
    """Return the function from a span to its coefficients (n, M): drawn, or measured on the models' outputs."""
    if reference.seed is not None:
        drawn = drawn_coefficients(reference)
        return lambda span: drawn[slice(*span)]
    scores = StoredScores(store, reference)
    offset = offset_for(store, reference) if reference.fitted_on else scores.offset()
    return lambda span: scores.coefficients(span, offset)


def _fit_components(reference: MixtureReference, stored: StoredCoefficients, store: Store) -> None:
    """Fit the mixture, and commit its components."""
    name = reference.dataset.name
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        clusters = find_clusters(stored.passes(), reference.components, seed=reference.seed, m_step=reference.m_step)
    for warning in caught:
        log.warning("data set %s: %s", name, warning.message)
    sizes = ", ".join(str(count) for count in clusters.samples)
    log.info("data set %s: %d clusters of %s samples", name, len(clusters.weights), sizes)
    _write_components(store, reference, clusters)


def _write_components(store: Store, reference: MixtureReference, clusters: Clusters) -> None:
    count, models = len(clusters.weights), int(clusters.concentration.shape[1])
    writer = TableWriter(
        store,
        reference.components_key,
        COMPONENTS,
        identity=reference.identity,
        widths=dict.fromkeys(COMPONENTS.vectors, models),
        run=flow_run.id,
    )
    writer.append(
        {
            "component": np.arange(count),
            "weight": clusters.weights,
            "samples": clusters.samples,
            "lower_bound": np.full(count, clusters.lower_bound),
            "bic": np.full(count, clusters.bic),
            "iterations": np.full(count, clusters.iterations),
            "converged": np.full(count, clusters.converged),
            "concentration": clusters.concentration,
            "coefficients": clusters.coefficients,
        }
    )
    writer.commit()
