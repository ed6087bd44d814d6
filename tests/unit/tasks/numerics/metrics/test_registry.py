"""The registry of metrics: each one on a tiny example with the value worked out by hand, and the contract."""

import numpy as np
import pytest

from tasks.numerics.metrics import registry
from tasks.numerics.metrics.metric import GROUP_COLUMNS, LABEL_COLUMNS, PREDICTION_COLUMNS, Metric
from tasks.numerics.metrics.registry import METRICS

# four samples of ten classes and two models
COLUMNS = {
    "prediction": np.array([0, 1, 2, 3], np.int32),
    "entropy": np.array([0.0, 0.1, 0.2, 0.3]),
    "label": np.array([0, 1, 1, 9], np.int32),
    "label_rank": np.array([0, 0, 3, 7], np.int32),
    "loss": np.array([0.1, 0.2, 2.0, 5.0]),
    "own_coefficients": np.array([[0.5, 0.5], [0.75, 0.25], [0.0, 1.0], [1.0, 0.0]]),
    "group_coefficients": np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.75, 0.25]]),
}
BY_HAND = {
    "top1": 2 / 4,  # ranks 0, 0
    "top5": 3 / 4,  # ranks 0, 0, 3
    "coefficient_error_mean": (0 + 0.25 + 0.5 + 0.25) / 4,
    "coefficient_error_max": 0.5,
}


def test_the_example_covers_every_registered_metric():
    """Names are unique, and each metric that joins the registry has a value worked out by hand in this file."""
    assert [metric.name for metric in METRICS] == list(BY_HAND)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_the_value_worked_out_by_hand(metric):
    """Every metric is defined on the example, sees no column but its own, and keeps its interval around the value."""
    estimate = metric.estimate({name: COLUMNS[name] for name in metric.columns}, 10)
    assert estimate.value == pytest.approx(BY_HAND[metric.name])
    assert estimate.samples == 4
    assert (estimate.ci_low is None) == (estimate.ci_high is None)
    if estimate.ci_low is not None:
        assert estimate.ci_low <= estimate.value <= estimate.ci_high


def test_metrics_whose_columns_do_not_exist_are_left_out(monkeypatch):
    """A metric is computed if all its columns exist, and metrics keep the order of the registry."""
    needs = {"rank": ("label_rank",), "error": GROUP_COLUMNS, "certainty": ("entropy", "loss")}
    metrics = [Metric(name=name, columns=needs[name], estimate=lambda _columns, _classes: None) for name in needs]
    monkeypatch.setattr(registry, "METRICS", tuple(metrics))
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
    with pytest.raises(ValueError, match="metric odd: wanted columns out of prediction, entropy, label, label_rank"):
        Metric(name="odd", columns=columns, estimate=lambda _columns, _classes: None)
