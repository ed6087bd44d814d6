"""Estimates: values with the interval that each metric asks for, and means over data sets."""

import numpy as np
import pytest
from scored_samples import CLASSES, EXAMPLES, columns_of, random_samples

from tasks.numerics.evidence.estimates import estimates, mean_estimate
from tasks.numerics.evidence.intervals import bootstrap_interval, wilson_interval
from tasks.numerics.evidence.resampling import Resampling
from tasks.numerics.metrics.accuracy import TOP1
from tasks.numerics.metrics.calibration_error import ECE
from tasks.numerics.metrics.class_recall import MACRO_F1, WORST_RECALL
from tasks.numerics.metrics.registry import METRICS
from tasks.numerics.metrics.scoring_rules import NLL

BY_NAME = {metric.name: metric for metric in METRICS}


def nearly_right(samples=100, classes=20):
    """Return the columns of samples in equal classes, of which the first one alone is wrong."""
    label = np.repeat(np.arange(classes), samples // classes).astype(np.int32)
    wrong = np.arange(samples) == 0
    return {
        "prediction": np.where(wrong, 1, label).astype(np.int32),
        "confidence": np.linspace(0.5, 1, samples),
        "label": label,
        "label_rank": wrong.astype(np.int32),
    }


def test_intervals_end_where_no_values_exist_any_more():
    """The correction for bias moves the upper end of macro F1 beyond 1, on one data set and in a mean."""
    columns, resampling = nearly_right(), Resampling(100)
    metrics = [MACRO_F1, BY_NAME["mean_recall"], BY_NAME["aurc"]]
    found = estimates(metrics, {"a": columns}, 20, resampling)["a"]
    beyond = bootstrap_interval(found["macro_f1"].estimate.value, found["macro_f1"].replicates)
    assert beyond is not None
    assert beyond.high > 1
    for metric in metrics:
        for estimate in (found[metric.name].estimate, mean_estimate(metric, [found[metric.name]] * 2)):
            assert 0 <= estimate.ci_low <= estimate.value <= estimate.ci_high <= 1


def test_samples_that_are_all_alike_have_no_interval_of_their_calibration_error():
    """One sample, or twenty of one confidence that are all right, do not show how much the error varies."""
    for samples in (1, 20):
        columns = {"confidence": np.full(samples, 0.9), "label_rank": np.zeros(samples, np.int32)}
        found = estimates([ECE], {"a": columns}, CLASSES, Resampling(samples))["a"]["ece"]
        assert found.estimate.value == pytest.approx(0.1)
        for estimate in (found.estimate, mean_estimate(ECE, [found, found])):
            assert estimate.ci_low is estimate.ci_high is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_defined_metric_has_its_value_inside_its_interval(name):
    """On ordinary and degenerate samples, the value is the metric's own and lies between the ends."""
    columns = columns_of(*EXAMPLES[name])
    samples = len(columns["label"])
    found = estimates(METRICS, {"a": columns}, CLASSES, Resampling(samples, 200))["a"]
    for metric, measured in found.items():
        estimate = measured.estimate
        assert estimate.value == pytest.approx(BY_NAME[metric].value(columns, CLASSES), abs=1e-9)
        assert estimate.samples == samples
        assert (estimate.ci_low is None) == (estimate.ci_high is None)
        if estimate.ci_low is not None:
            assert estimate.ci_low <= estimate.value <= estimate.ci_high


def test_shares_of_samples_have_wilsons_interval():
    """The interval of top-1 accuracy comes from the number of right samples alone."""
    columns = columns_of(*EXAMPLES["random"])
    hits = int((columns["label_rank"] == 0).sum())
    found = estimates([TOP1], {"a": columns}, CLASSES, Resampling(200, 10))["a"]["top1"].estimate
    assert (found.ci_low, found.ci_high) == wilson_interval(hits, 200)


def test_metrics_without_an_interval_have_no_replicates():
    """The errors of coefficients are exact: their ends are None."""
    columns = {"own_coefficients": np.full((5, 2), 0.5), "group_coefficients": np.full((5, 2), 0.25)}
    found = estimates(METRICS, {"a": columns}, None, Resampling(5, 10))["a"]
    assert found.keys() == {"coefficient_error_mean", "coefficient_error_max"}
    for estimate, replicates in found.values():
        assert (estimate.value, estimate.ci_low, estimate.ci_high, replicates) == (0.25, None, None, None)


def test_one_sample_has_no_bootstrap_interval():
    """All resamples of one sample are equal and say nothing; Wilson's interval exists."""
    found = estimates(METRICS, {"a": columns_of(*EXAMPLES["one sample, right"])}, CLASSES, Resampling(1, 50))["a"]
    assert found["nll"].estimate.ci_low is None
    assert found["top1"].estimate.ci_low == pytest.approx(0.2065, abs=1e-4)


def measured(metric, seed, samples=300, resamples="shared"):
    """Return a metric on one of several data sets."""
    columns = columns_of(*random_samples(samples, seed))
    return estimates([metric], {"a": columns}, CLASSES, Resampling(samples, 400, resamples))["a"][metric.name]


def test_a_mean_over_data_sets_counts_each_of_them_the_same():
    """The mean of two data sets is the mean of their values, whatever their sizes; samples add up."""
    first, second = measured(NLL, 0, 100), measured(NLL, 1, 300)
    found = mean_estimate(NLL, [first, second])
    assert found.value == pytest.approx((first.estimate.value + second.estimate.value) / 2)
    assert found.samples == 400
    assert found.ci_low < found.value < found.ci_high


def width(estimate):
    """Return the width of an interval."""
    return estimate.ci_high - estimate.ci_low


def test_a_mean_over_independent_data_sets_is_surer_than_each_of_them():
    """Four data sets of their own samples have a mean whose interval is about half as wide."""
    independent = [measured(MACRO_F1, seed, resamples=f"set {seed}") for seed in range(4)]
    own = np.mean([width(one.estimate) for one in independent])
    assert 0.4 < width(mean_estimate(MACRO_F1, independent)) / own < 0.6


def test_a_mean_over_the_same_samples_is_as_sure_as_each_of_them():
    """One data set given four times, with the same resamples, is counted once: the interval is its own."""
    one = measured(NLL, 0)
    assert width(mean_estimate(NLL, [one] * 4)) == pytest.approx(width(one.estimate))


@pytest.mark.parametrize("metric", [WORST_RECALL, ECE], ids=lambda metric: metric.name)
def test_intervals_of_their_own_are_averaged(metric):
    """Metrics that no bootstrap covers keep their guarantee in a mean: the ends are the means of the ends."""
    both = [measured(metric, seed) for seed in range(2)]
    found = mean_estimate(metric, both)
    assert found.ci_low == pytest.approx(np.mean([one.estimate.ci_low for one in both]))
    assert found.ci_high == pytest.approx(np.mean([one.estimate.ci_high for one in both]))


def test_a_mean_over_no_data_set_is_refused():
    """A mean of nothing is an error."""
    with pytest.raises(ValueError, match="wanted at least one data set, got none"):
        mean_estimate(NLL, [])
