"""The contract of all metrics: weights are repetitions, and samples that no metric can be computed from are refused."""

import numpy as np
import pytest
from scored_samples import CLASSES, EXAMPLES, columns_of

from tasks.numerics.metrics.accuracy import TOP1
from tasks.numerics.metrics.metric import Metric
from tasks.numerics.metrics.registry import METRICS
from tasks.numerics.metrics.scoring_rules import NLL

# its bins stay where the samples put them, with or without repetitions; its own test says so
REPEATABLE = [metric for metric in METRICS if metric.name != "ece_mass"]


def complete(name):
    """Return all columns of an example, with coefficients of three models and ranks of a tuned model."""
    columns = columns_of(*EXAMPLES[name])
    random = np.random.default_rng(7)
    samples = len(columns["label"])
    return columns | {
        "own_coefficients": random.dirichlet(np.ones(3), samples),
        "group_coefficients": random.dirichlet(np.ones(3), samples),
        "tuned_rank": random.integers(0, 3, samples, np.int32),
    }


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("metric", REPEATABLE, ids=lambda metric: metric.name)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 2e-6)])
def test_a_weight_is_a_number_of_repetitions(metric, name, dtype, tolerance):
    """On any example, a statistic with counts as weights equals the metric of the samples repeated that often."""
    columns = complete(name)
    samples = len(columns["label"])
    counts = np.random.default_rng(8).multinomial(samples, np.full(samples, 1 / samples), 6).T
    found = metric.statistic(columns, CLASSES, counts.astype(dtype))
    if found is None:
        assert metric.value(columns, CLASSES) is None
        return
    for drawn, value in zip(counts.T, found, strict=True):
        wanted = metric.value({name: np.repeat(values, drawn, axis=0) for name, values in columns.items()}, CLASSES)
        assert value == pytest.approx(np.nan if wanted is None else wanted, abs=tolerance, nan_ok=True)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_order_of_samples_does_not_count(metric):
    """Every metric of shuffled samples is that of the samples."""
    columns = complete("ties of confidence")
    order = np.random.default_rng(9).permutation(len(columns["label"]))
    shuffled = {name: values[order] for name, values in columns.items()}
    assert metric.value(shuffled, CLASSES) == pytest.approx(metric.value(columns, CLASSES), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_no_samples_are_refused(metric):
    """A metric of nothing is an error and not 0, and the message names the metric."""
    columns = {name: values[:0] for name, values in complete("random").items()}
    with pytest.raises(ValueError, match=f"metric {metric.name}: column .*: wanted at least one sample, got none"):
        metric.value(columns, CLASSES)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_numbers_that_are_not_finite_are_refused(metric, bad):
    """Each column of floating-point numbers is looked through, and the message names it."""
    for column in metric.columns:
        columns = complete("random")
        if columns[column].dtype.kind == "f":
            columns[column].flat[3] = bad
            with pytest.raises(ValueError, match=f"metric {metric.name}: column {column}: wanted finite numbers"):
                metric.value(columns, CLASSES)


@pytest.mark.parametrize(
    "metric", [metric for metric in METRICS if metric.needs_labels], ids=lambda metric: metric.name
)
def test_samples_without_a_label_are_refused(metric):
    """A metric that needs labels is not computed from some of the samples."""
    columns = complete("random")
    columns["label"][2] = columns["label_rank"][2] = columns["tuned_rank"][2] = -1
    columns["loss"][2] = np.nan
    with pytest.raises(ValueError, match=r"wanted labels for all samples, 1 have none|column loss: wanted finite"):
        metric.value(columns, CLASSES)


def test_columns_of_different_lengths_are_refused():
    """Columns of different samples are named with their lengths."""
    metric = Metric(**vars(NLL) | {"columns": ("loss", "label")})
    with pytest.raises(ValueError, match=r"wanted columns of one length, got \{'loss': 3, 'label': 2\}"):
        metric.value({"loss": np.ones(3), "label": np.ones(2)}, CLASSES)


def test_a_value_that_is_undefined_on_the_samples_is_none():
    """A metric is a number or None, never NaN."""
    assert TOP1.value({"label_rank": np.array([0])}, 1) is None
