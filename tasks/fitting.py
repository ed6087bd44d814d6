"""Fitting: every sample's coefficients from the models' outputs, and clusters or bins of them. The parent does it."""

import logging
import warnings

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from storage import keys
from storage.schemas import BINS, COEFFICIENTS, COMPONENTS, MIXTURES, OUTPUTS, TableSchema
from storage.soundness import is_committed
from storage.spans import Span
from storage.store import Store
from storage.tables import Columns, TableWriter, read_samples, read_table, vectors
from tasks.errors import FitError
from tasks.methods.registry import METHODS
from tasks.numerics.bins import bin_coefficients
from tasks.numerics.checks import Floats
from tasks.numerics.clustering import Clustering, cluster_coefficients
from tasks.numerics.entropy import log_probabilities
from tasks.numerics.expectation_maximization import ConvergenceWarning
from tasks.numerics.expertise import model_coefficients
from tasks.numerics.measures import MEASURES, ModelOutputs, measured_coefficients
from tasks.numerics.metrics.coefficient_error import coefficient_error
from tasks.opening.read_coefficients import drawn_coefficients, read_coefficients
from tasks.references.coefficients import BinsReference, CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.outputs import OutputsReference
from tasks.streaming.fill import Tally

log = logging.getLogger("dawin.fitting")


@task(name="fit coefficients", cache_policy=NO_CACHE)
def fit_coefficients(reference: CoefficientsReference, store: Store) -> Tally:
    """Compute every sample's coefficients from the models' outputs, and store them."""
    dataset, samples = reference.dataset, reference.dataset.samples
    if is_committed(store, _whole(reference.prefix, dataset)):
        return Tally(0, samples)
    if len(reference.outputs) > 2 and reference.offset:
        log.warning("offset: defined for two models, without effect for %d", len(reference.outputs))
    coefficients = _coefficients(reference, store)
    _write(store, reference, COEFFICIENTS, {"coefficients": coefficients}, {"coefficients": coefficients.shape[1]})
    names = [outputs.model.name for outputs in reference.outputs]
    shares = ", ".join(f"{name} {mean:.2f}" for name, mean in zip(names, coefficients.mean(axis=0), strict=True))
    log.info("data set %s: mean %s coefficients of %d samples: %s", dataset.name, reference.expertise, samples, shares)
    return Tally(samples, 0)


@task(name="fit mixture", cache_policy=NO_CACHE)
def fit_mixture(reference: MixtureReference, store: Store) -> Tally:
    """Cluster the coefficients of a data set with a Beta mixture (two models) or a Dirichlet mixture (more).

    Raises:
        FitError: fewer samples than clusters.
    """
    dataset = reference.dataset
    has_components = is_committed(store, reference.components_key)
    if has_components and is_committed(store, _whole(reference.prefix, dataset)):
        return Tally(0, dataset.samples)
    if isinstance(reference.components, int) and dataset.samples < reference.components:
        raise FitError(
            f"data set {dataset.name}: {dataset.samples} samples, wanted at least as many as "
            f"merge.clusters={reference.components}"
        )
    coefficients = read_coefficients(store, reference.coefficients.prefix, dataset.whole)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        clustering = cluster_coefficients(
            coefficients, reference.components, seed=reference.seed, m_step=reference.m_step
        )
    for warning in caught:
        log.warning("data set %s: %s", dataset.name, warning.message)
    sizes = ", ".join(str(count) for count in np.bincount(clustering.assignment, minlength=len(clustering.weights)))
    log.info("data set %s: %d clusters of %s samples", dataset.name, len(clustering.weights), sizes)
    if not has_components:  # a killed run may have written them
        _write_components(store, reference, clustering)
    columns = {
        "component": clustering.assignment,
        "responsibilities": clustering.responsibilities,
        "coefficients": clustering.coefficients[clustering.assignment],
    }
    widths = {"responsibilities": len(clustering.weights), "coefficients": coefficients.shape[1]}
    _write(store, reference, MIXTURES, columns, widths)
    return Tally(dataset.samples, 0)


@task(name="fit bins", cache_policy=NO_CACHE)
def fit_bins(reference: BinsReference, store: Store) -> Tally:
    """Cut the coefficients of a data set into bins, and log how far samples are moved from their own."""
    dataset = reference.dataset
    if is_committed(store, _whole(reference.prefix, dataset)):
        return Tally(0, dataset.samples)
    coefficients = read_coefficients(store, reference.coefficients.prefix, dataset.whole)
    binning = bin_coefficients(coefficients, reference.bins, seed=reference.seed)
    used = binning.coefficients[binning.assignment]
    error = coefficient_error(coefficients, used)
    log.info(
        "data set %s: %d of %d bins have samples; coefficients are off by %.2g in the mean, %.2g at most",
        *(dataset.name, len(binning.coefficients), reference.bins, *error),
    )
    columns = {"bin": binning.assignment, "coefficients": used}
    _write(store, reference, BINS, columns, {"coefficients": coefficients.shape[1]})
    return Tally(dataset.samples, 0)


def _coefficients(reference: CoefficientsReference, store: Store) -> Floats:
    """Return coefficients (n, M): from a column of the outputs, from the logits, or drawn."""
    outputs = reference.outputs
    if reference.column:
        scores = [_column(store, one, reference.column) for one in outputs]
        return model_coefficients(np.column_stack(scores), offset=reference.offset)
    if reference.seed is not None:
        return drawn_coefficients(reference)
    measure = MEASURES[reference.expertise] if reference.version is None else METHODS[reference.expertise].measure
    measured = [measure(_outputs(reference, store, span)) for span in reference.dataset.spans]
    wanted = [(span.length, len(reference.outputs)) for span in reference.dataset.spans]
    if (got := [scores.shape for scores in measured]) != wanted:
        raise FitError(f"measure {reference.expertise}: wanted scores {wanted[0]} of samples and models, got {got[0]}")
    return measured_coefficients(np.concatenate(measured), offset=reference.with_offset)


def _outputs(reference: CoefficientsReference, store: Store, span: Span) -> ModelOutputs:
    """Return the models' outputs on the samples of one span."""
    logits = [_logits(store, outputs, span) for outputs in reference.outputs]
    temperatures = [outputs.model.temperature for outputs in reference.outputs]
    judge = None
    if reference.judge:
        judge = log_probabilities(_logits(store, reference.judge, span), reference.judge.model.temperature)
    return ModelOutputs(
        logits=[values / t for values, t in zip(logits, temperatures, strict=True)],
        log_p=[log_probabilities(values, t) for values, t in zip(logits, temperatures, strict=True)],
        judge=judge,
    )


def _logits(store: Store, outputs: OutputsReference, span: Span) -> Floats:
    table = read_table(store, keys.samples(outputs.prefix, span), OUTPUTS[outputs.scored.logits], ["logits"])
    return vectors(table["logits"]).astype(np.float64)


def _column(store: Store, outputs: OutputsReference, column: str) -> Floats:
    samples, schema = outputs.dataset.samples, OUTPUTS[outputs.scored.logits]
    values: Floats = read_samples(store, outputs.prefix, schema, [column], samples=samples)[column].to_numpy()
    return values


def _whole(prefix: str, dataset: DatasetReference) -> str:
    return keys.samples(prefix, dataset.whole)


def _write(
    store: Store,
    reference: CoefficientsReference | MixtureReference | BinsReference,
    schema: TableSchema,
    columns: Columns,
    widths: dict[str, int],
) -> None:
    key = _whole(reference.prefix, reference.dataset)
    writer = TableWriter(store, key, schema, identity=reference.identity, widths=widths, run=flow_run.id)
    writer.append({"sample_index": np.arange(reference.dataset.samples), **columns})
    writer.commit()


def _write_components(store: Store, reference: MixtureReference, clustering: Clustering) -> None:
    count, models = len(clustering.weights), int(clustering.concentration.shape[1])
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
            "weight": clustering.weights,
            "samples": np.bincount(clustering.assignment, minlength=count),
            "lower_bound": np.full(count, clustering.lower_bound),
            "bic": np.full(count, clustering.bic),
            "iterations": np.full(count, clustering.iterations),
            "converged": np.full(count, clustering.converged),
            "concentration": clustering.concentration,
            "coefficients": clustering.coefficients,
        }
    )
    writer.commit()
