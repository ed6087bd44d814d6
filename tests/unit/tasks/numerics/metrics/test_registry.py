"""The registry of metrics: each one on a tiny example with the value worked out by hand, and the contract."""

from math import exp

import numpy as np
import pytest

from tasks.numerics.metrics import registry
from tasks.numerics.metrics.metric import GROUP_COLUMNS, LABEL_COLUMNS, PREDICTION_COLUMNS, Metric, mean_of
from tasks.numerics.metrics.registry import METRICS

# four samples of ten classes and two models
COLUMNS = {
    "prediction": np.array([0, 1, 2, 3], np.int32),
    "entropy": np.array([0.0, 0.1, 0.2, 0.3]),
    "confidence": np.array([0.9, 0.8, 0.7, 0.5]),
    "sum_of_squares": np.array([0.82, 0.66, 0.5, 0.26]),
    "label": np.array([0, 1, 1, 9], np.int32),
    "label_rank": np.array([0, 0, 3, 7], np.int32),
    "loss": np.array([0.1, 0.2, 2.0, 5.0]),
    "own_coefficients": np.array([[0.5, 0.5], [0.75, 0.25], [0.0, 1.0], [1.0, 0.0]]),
    "group_coefficients": np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.75, 0.25]]),
    "tuned_rank": np.array([0, 0, 0, 1], np.int32),
}
BY_HAND = {
    "top1": 2 / 4,  # ranks 0, 0
    "top5": 3 / 4,  # ranks 0, 0, 3
    "mean_recall": (1 + 1 / 2 + 0) / 3,  # classes 0, 1, 9
    "macro_f1": (1 + 2 / 3 + 0 + 0 + 0) / 5,  # classes 0, 1, 2, 3, 9; class 1: precision 1, recall 1/2
    "worst_recall": 0,  # class 9
    "nll": 7.3 / 4,
    "brier": (2.24 + 4 - 2 * (exp(-0.1) + exp(-0.2) + exp(-2) + exp(-5))) / 4,
    "ece": (0.1 + 0.2 + 0.7 + 0.5) / 4,  # edges 7/15 < 0.5 < 8/15, 10/15 < 0.7 < 11/15 < 0.8 < 13/15 < 0.9 < 14/15
    "ece_mass": (0.1 + 0.2 + 0.7 + 0.5) / 4,  # a bin for each sample
    "aurc": (0 + 0 + 1 / 3 + 2 / 4) / 4,
    "auroc": 1,  # both right samples are surer than both wrong ones
    "entropy": 0.6 / 4,
    "confidence": 2.9 / 4,
    "normalised_top1": 2 / 3,
    "coefficient_error_mean": (0 + 0.25 + 0.5 + 0.25) / 4,
    "coefficient_error_max": 0.5,
}


def test_the_example_covers_every_registered_metric():
    """Names are unique, and each metric that joins the registry has a value worked out by hand in this file."""
    assert [metric.name for metric in METRICS] == list(BY_HAND)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_the_value_worked_out_by_hand(metric):
    """Every metric is defined on the example, and needs no column but its own."""
    assert metric.value({name: COLUMNS[name] for name in metric.columns}, 10) == pytest.approx(BY_HAND[metric.name])


def test_metrics_whose_columns_do_not_exist_are_left_out(monkeypatch):
    """A metric is computed if all its columns exist, and metrics keep the order of the registry."""
    needs = {"rank": ("label_rank",), "error": GROUP_COLUMNS, "certainty": ("entropy", "loss")}
    monkeypatch.setattr(registry, "METRICS", tuple(metric(name, needs[name]) for name in needs))
    for columns, names in (
        (PREDICTION_COLUMNS, []),
        (LABEL_COLUMNS + PREDICTION_COLUMNS, ["rank", "certainty"]),
        (GROUP_COLUMNS + PREDICTION_COLUMNS, ["error"]),
        (GROUP_COLUMNS + LABEL_COLUMNS, ["rank", "error"]),
        (GROUP_COLUMNS[:1], []),
    ):
        assert [metric.name for metric in registry.metrics_of(columns)] == names


@pytest.mark.parametrize("columns", [(), ("label_rank", "logits")])
def test_a_metric_of_columns_that_are_not_offered_is_refused(columns):
    """A misspelt column raises an error at once, instead of leaving the metric out of all results."""
    with pytest.raises(ValueError, match="metric odd: wanted columns out of prediction, entropy, confidence, sum_of"):
        metric("odd", columns)


def test_metrics_that_need_labels_say_so():
    """Mean entropy, mean confidence and the errors of coefficients exist without labels, all other metrics do not."""
    without = {"entropy", "confidence", "coefficient_error_mean", "coefficient_error_max"}
    assert {metric.name for metric in METRICS if not metric.needs_labels} == without


def metric(name, columns):
    """Return a metric of some columns that is never computed."""
    return Metric(
        name=name,
        title=name,
        better=None,
        unit="",
        columns=columns,
        statistic=mean_of(lambda _columns, _classes: None),
        interval=None,
    )
