"""The charts in panels."""

from dataclasses import replace

import drawn
import numpy as np
import pytest
from scipy import stats

from flows.pages.charts import by_dataset, class_changes, cluster_accuracy
from flows.pages.charts.coefficient_map import Field, coefficient_map
from flows.pages.charts.coefficient_panels import Marginal, beta_density, coefficient_panels, marginal_counts
from flows.pages.charts.reliability import Diagram, bins_of, reliability, together
from tasks.numerics.metrics.registry import metric_of

RANDOM = np.random.default_rng(0)


def marginal(title, own):
    """Coefficients with a mixture of two components."""
    return Marginal(
        title=title,
        subtitle=f"{len(own)} samples",
        counts=marginal_counts(own),
        weights=np.array([0.4, 0.6]),
        first=np.array([2.0, 9.0]),
        second=np.array([9.0, 3.0]),
        coefficients=np.array([2 / 11, 0.75]),
        samples=np.array([400.0, 600.0]),
    )


def test_histograms_count_every_sample_also_at_the_ends():
    """Coefficients of exactly 0 and 1 are in the first and the last bin."""
    own = np.concatenate([RANDOM.beta(0.3, 0.3, 500), [0.0, 1.0]])
    assert marginal_counts(own).sum() == 502
    assert marginal_counts(np.array([0.0, 1.0]))[[0, -1]].tolist() == [1, 1]


def test_the_density_is_that_of_the_beta_distribution():
    """The drawn lines equal scipy's density."""
    x = np.linspace(0.01, 0.99, 25)
    assert beta_density(x, 0.7, 3.2) == pytest.approx(stats.beta.pdf(x, 0.7, 3.2), rel=1e-12)


def test_a_component_much_narrower_than_a_bar_is_drawn_with_its_area():
    """The drawn line of a narrow component has its weight as its area, and a peak inside the plot."""
    own = RANDOM.beta(30_000, 70_000, 500)
    one = marginal("clean", own)
    narrow = replace(one, first=np.array([3_000.0, 20.0]), second=np.array([7_000.0, 30.0]))
    [panel] = coefficient_panels([narrow], columns=1, size=(200, 90), axis_title="weight")["vconcat"][0]["hconcat"]
    components, whole = panel["layer"][1], panel["layer"][2]
    points = [(v["x"], v["y"]) for v in components["data"]["values"] if v["cluster"] == "0"]
    assert np.trapezoid(*np.array(points).T[::-1]) == pytest.approx(narrow.weights[0], rel=0.02)
    assert max(v["y"] for v in whole["data"]["values"]) <= components["encoding"]["y"]["scale"]["domain"][1]


def test_coefficients_of_every_data_set_are_drawn_with_their_mixture():
    """Each data set has a panel with its title, and the axis says whose weight it is."""
    spec = coefficient_panels(
        [marginal(name, RANDOM.beta(2, 3, 1000)) for name in ("clean", "noisy", "rotated", "blurred")],
        columns=3,
        size=(262, 120),
        axis_title="weight of finetuned",
    )
    found = drawn.texts(spec)
    assert {"clean", "noisy", "rotated", "blurred"} <= set(found)
    assert found.count("weight of finetuned") == 3  # below the lowest panel of each column
    assert drawn.themed(spec)


def test_the_calibration_error_is_that_of_the_metric():
    """The number above a diagram equals the metric `ece` of the results, for any predictions."""
    confidence, right = RANDOM.random(400), RANDOM.random(400) < 0.6
    columns = {"confidence": confidence, "label_rank": np.where(right, 0, 1).astype(np.int32)}
    assert bins_of(confidence, right).error == pytest.approx(metric_of("ece").value(columns, 10), abs=1e-12)


def test_bins_of_data_sets_add_up():
    """The diagram of all data sets is made of the same samples."""
    confidence, right = RANDOM.random(100), RANDOM.random(100) < 0.5
    parts = together([bins_of(confidence[:30], right[:30]), bins_of(confidence[30:], right[30:])])
    whole = bins_of(confidence, right)
    assert all(np.allclose(one, other) for one, other in zip(parts, whole, strict=True))
    assert whole.samples.sum() == 100


def test_no_samples_have_no_error():
    """A data set without samples draws empty bins, not a division by zero."""
    assert bins_of(np.zeros(0), np.zeros(0, bool)).error == 0


def test_reliability_shows_each_method_and_its_error():
    """Each diagram has the name of its method, its error and the samples below it; empty bins draw nothing."""
    diagrams = [
        Diagram("individual/base", bins_of(np.array([0.95, 0.97, 0.6]), np.array([True, False, True]))),
        Diagram("dawin/samples", bins_of(np.array([1.0, 1.0]), np.array([True, True]))),
    ]
    spec = reliability(diagrams)
    found = drawn.texts(spec)
    assert {"individual/base", "dawin/samples", "calibration error 0 %"} <= set(found)
    assert drawn.themed(spec)


def test_accuracies_by_data_set_name_the_methods_once_a_row_of_panels():
    """Method names stand at the left of each row of panels, and each panel has its samples in full."""
    methods = ["individual/base", "dawin/samples"]
    panels = [
        by_dataset.Panel(name, 12_345, tuple(by_dataset.Value(m, 0.8, 0.79, 0.81) for m in methods), 0.8)
        for name in ("a", "b", "c", "d")
    ]
    found = drawn.texts(by_dataset.by_dataset(panels, methods))
    assert found.count("dawin/samples") == 2
    assert found.count("12,345 samples") == 4


def test_a_value_without_an_interval_has_a_point_alone():
    """Nothing is drawn for an interval that does not exist."""
    panel = by_dataset.Panel("a", 10, (by_dataset.Value("dawin/samples", 0.5, None, None),))
    assert "low" not in str(by_dataset.by_dataset([panel], ["dawin/samples"])["vconcat"][0]["hconcat"][0]["data"])


def test_the_map_shows_each_value_and_marks_the_strongest():
    """Each field shows its value as text, so that the colour alone says nothing."""
    fields = [Field("a", "one", 0.2, "0.20"), Field("a", "two", 0.8, "0.80", is_strong=True)]
    spec = coefficient_map(fields, titles=("data set", "weight of", "mean"))
    assert {"0.20", "0.80", "weight of"} <= set(drawn.texts(spec))
    assert drawn.themed(spec)


def test_clusters_show_three_methods_in_one_legend():
    """The legend stands once, above the first panel."""
    names = ("individual/base", "individual/tuned", "dawin/clusters-2")
    hits = tuple(cluster_accuracy.Hits(name, 0.5, 0.4, 0.6) for name in names)
    clusters = tuple(cluster_accuracy.Cluster(f"λ 0.{i} · 10 samples", hits) for i in (1, 2))
    panels = [cluster_accuracy.Panel(name, "", clusters) for name in ("a", "b", "c")]
    found = drawn.texts(cluster_accuracy.cluster_accuracy(panels, names))
    assert all(found.count(name) == 1 for name in names)
    assert found.count("λ 0.1 · 10 samples") == 3


def test_a_change_is_the_difference_of_accuracies():
    """12 of 20 right instead of 8 is a gain of 20 points."""
    change = class_changes.Change("seven", 20, 8, 12)
    assert change.difference == pytest.approx(0.2)
    spec = class_changes.class_changes([class_changes.Panel("against x", "", (change,))])
    assert {"seven", "against x"} <= set(drawn.texts(spec))
    assert drawn.themed(spec)
