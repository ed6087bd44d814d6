"""Replicates of many methods at once: each metric on each resample, whatever is shared between methods and metrics."""

import numpy as np
import pytest
from scored_samples import CLASSES, columns_of, random_samples

from tasks.numerics.evidence.replicates import numbers, replicates
from tasks.numerics.evidence.resampling import Resampling, resamples
from tasks.numerics.metrics.metric import Metric, mean_of
from tasks.numerics.metrics.registry import METRICS

SAMPLES = 120


def methods(count=3):
    """Return the columns of methods on the same samples: equal labels, unequal predictions."""
    _, labels = random_samples(SAMPLES, seed=0)
    random = np.random.default_rng(1)
    found = {}
    for number in range(count):
        log_p, _ = random_samples(SAMPLES, seed=number, signal=0.0)
        log_p[np.arange(SAMPLES), labels] += number
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        found[f"m{number}"] = columns_of(log_p, labels) | {"tuned_rank": random.integers(0, 3, SAMPLES, np.int32)}
    return found


def test_replicates_are_the_metrics_on_every_resample():
    """Every metric of every method equals its statistic on the counts of the resamples."""
    columns = methods()
    metrics = [metric for metric in METRICS if "own_coefficients" not in metric.columns]
    found = replicates(metrics, columns, CLASSES, Resampling(SAMPLES, 70, "all"))
    counts = resamples(SAMPLES, 70, "all").astype(float)
    for row, of_method in enumerate(columns.values()):
        for place, metric in enumerate(metrics):
            wanted = metric.statistic(of_method, CLASSES, counts)
            np.testing.assert_allclose(found[row, place], wanted, atol=2e-6, err_msg=metric.name)


def test_values_are_the_metrics_on_the_samples():
    """The values that come with the replicates equal the metrics' own."""
    columns = methods()
    found = numbers(METRICS, columns, CLASSES, Resampling(SAMPLES, 2)).values
    for row, of_method in enumerate(columns.values()):
        for place, metric in enumerate(METRICS):
            own = metric.value(of_method, CLASSES) if set(metric.columns) <= of_method.keys() else np.nan
            assert found[row, place] == pytest.approx(own, abs=1e-9, nan_ok=True)


def test_a_method_alone_has_the_replicates_that_it_has_among_others():
    """Resamples and sums are shared, and results do not depend on it."""
    columns = methods()
    together = replicates(METRICS, columns, CLASSES, Resampling(SAMPLES, 40, 3))
    for row, (name, own) in enumerate(columns.items()):
        alone = replicates(METRICS, {name: own}, CLASSES, Resampling(SAMPLES, 40, 3))
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-5)


def test_a_difference_of_methods_varies_less_on_shared_resamples_than_each_of_them():
    """Methods that err on the same samples have a difference with a narrow spread: their resamples are the same."""
    columns = methods(1)
    nearly = {name: values.copy() for name, values in columns["m0"].items()}
    nearly["label_rank"][0] = 1 - min(nearly["label_rank"][0], 1)
    first, second = replicates(METRICS[:1], {**columns, "nearly": nearly}, CLASSES, Resampling(SAMPLES, 500))[:, 0]
    assert (first - second).std() < first.std() / 3


def test_a_metric_of_any_other_form_is_resampled_too():
    """A statistic that is neither a mean nor a function of sums is called with the counts of resamples."""
    middle = Metric(
        name="middle",
        title="entropy of the middle",
        better=None,
        unit="nats",
        columns=("entropy",),
        statistic=lambda columns, _classes, weights: (weights * columns["entropy"][:, None]).max(axis=0),
        interval="bootstrap",
    )
    columns = methods(1)
    found = replicates([middle], columns, None, Resampling(SAMPLES, 40, 5))
    wanted = (resamples(SAMPLES, 40, 5) * columns["m0"]["entropy"][:, None]).max(axis=0)
    np.testing.assert_allclose(found[0, 0], wanted)


def test_metrics_that_are_undefined_or_have_no_columns_are_nan():
    """Without labels every labelled metric is NaN for that method alone."""
    columns = methods(2)
    columns["m1"] = {name: columns["m1"][name] for name in ("prediction", "entropy", "confidence", "sum_of_squares")}
    found = replicates(METRICS, columns, CLASSES, Resampling(SAMPLES, 10))
    for place, metric in enumerate(METRICS):
        assert np.isnan(found[1, place]).all() == (metric.name not in ("entropy", "confidence"))


def test_columns_of_other_samples_than_the_resamples_are_refused():
    """The message names the method and both numbers."""
    with pytest.raises(ValueError, match="method m0: wanted 99 samples as in the resamples, got 120"):
        replicates(METRICS, methods(), CLASSES, Resampling(99, 10))


def test_columns_with_numbers_that_are_not_finite_are_refused():
    """The message names the metric and the column."""
    columns = methods()
    columns["m2"]["loss"][7] = np.nan
    with pytest.raises(ValueError, match="metric nll: column loss: wanted finite numbers"):
        replicates(METRICS, columns, CLASSES, Resampling(SAMPLES, 10))


def test_means_keep_small_differences_between_resamples():
    """Terms of 10⁶ ± 0.01 have replicates whose spread is that of the terms, not of rounding to 32 bits."""
    terms = 1e6 + 0.01 * np.random.default_rng(2).normal(size=400)
    mean = Metric(
        name="mean",
        title="mean",
        better=None,
        unit="",
        columns=("entropy",),
        statistic=mean_of(lambda columns, _classes: columns["entropy"]),
        interval="bootstrap",
        terms=lambda columns, _classes: columns["entropy"],
    )
    found = replicates([mean], {"m": {"entropy": terms}}, None, Resampling(400, 500))[0, 0]
    assert found.std() == pytest.approx(0.01 / 20, rel=0.15)
