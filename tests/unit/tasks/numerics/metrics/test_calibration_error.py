"""Expected calibration error: torchmetrics' value on every kind of sample, the edges of bins, and laws."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scored_samples import CLASSES, EXAMPLES, columns_of
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.functional.classification.calibration_error import _ce_compute

from tasks.numerics.metrics.calibration_error import ECE, ECE_MASS, bins_of_equal_mass, bins_of_equal_width


def confident(confidence, right):
    """Return the columns of samples of given confidences, right or wrong."""
    return {"confidence": np.array(confidence, float), "label_rank": 1 - np.array(right, np.int32)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_error_over_bins_of_equal_width_is_torchmetrics(name):
    """With 15 bins and the l1 norm, it equals the float64 computation to 1e-9, and the public function as float32."""
    log_p, labels = EXAMPLES[name]
    columns = columns_of(log_p, labels)
    right = torch.tensor(columns["label_rank"] == 0)
    value = ECE.value(columns, CLASSES)
    assert value == pytest.approx(_ce_compute(torch.tensor(columns["confidence"]), right, 15).item(), abs=1e-9)
    shown = multiclass_calibration_error(torch.tensor(np.exp(log_p)), torch.tensor(labels), CLASSES, n_bins=15)
    assert value == pytest.approx(shown.item(), abs=1e-6)


def test_a_confidence_of_exactly_1_has_a_bin_of_its_own_as_in_torchmetrics():
    """Errors of certain samples are not balanced by others: (0.5 · 2 + |0.95 − 1| + |0.96 − 1|) / 4."""
    p = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.95, 0.05], [0.96, 0.04]], dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 0])
    columns = confident([1, 1, 0.95, 0.96], [True, False, True, True])
    assert ECE.value(columns, 2) == pytest.approx((1 + 0.05 + 0.04) / 4, abs=1e-12)
    assert ECE.value(columns, 2) == pytest.approx(multiclass_calibration_error(p, labels, 2).item(), abs=1e-7)


def test_edges_belong_to_the_bin_above_them():
    """Bin b begins with b/15 exactly: 0.2 is 3/15 and the next lower number is in bin 2."""
    edges = np.arange(16) / 15
    np.testing.assert_array_equal(bins_of_equal_width(edges), np.arange(16))
    np.testing.assert_array_equal(bins_of_equal_width(np.nextafter(edges[1:], 0)), np.arange(15))


def by_loop(columns, bins):
    """Return the error by its definition, a bin at a time."""
    right = columns["label_rank"] == 0
    found = 0.0
    for number in set(bins):
        inside = bins == number
        found += inside.mean() * abs(columns["confidence"][inside].mean() - right[inside].mean())
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_error_over_bins_of_equal_mass_is_that_of_its_definition(name):
    """It equals a plain loop over the bins to 1e-9."""
    columns = columns_of(*EXAMPLES[name])
    wanted = by_loop(columns, bins_of_equal_mass(columns["confidence"]))
    assert ECE_MASS.value(columns, CLASSES) == pytest.approx(wanted, abs=1e-9)


@settings(deadline=None)
@given(st.integers(1, 100).flatmap(lambda n: st.permutations([number / 100 for number in range(n)])))
def test_bins_of_equal_mass_differ_by_one_sample(confidence):
    """Without ties, as many samples are in one bin as in another, or one fewer, in the order of their confidence."""
    bins = bins_of_equal_mass(np.array(confidence))
    counts = np.bincount(bins, minlength=15)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(bins[np.argsort(confidence)]) >= 0).all()


@settings(deadline=None)
@given(arrays(float, st.integers(1, 60), elements=st.sampled_from([0.2, 0.4, 0.4000001, 0.9, 1.0])))
def test_equal_confidences_share_a_bin(confidence):
    """A bin of equal mass never cuts through a tie."""
    bins = bins_of_equal_mass(confidence)
    for value in set(confidence):
        assert len(set(bins[confidence == value])) == 1


def test_a_calibrated_forecast_has_no_error():
    """Of ten samples of confidence 0.8, eight are right: both errors are 0."""
    columns = confident([0.8] * 10, [True] * 8 + [False] * 2)
    for metric in (ECE, ECE_MASS):
        assert metric.value(columns, 2) == pytest.approx(0, abs=1e-12)


def test_bins_of_equal_mass_stay_where_the_samples_put_them_in_resamples():
    """A weight of 2 gives the gaps of the repeated sample, in the bins of the samples without repetition."""
    columns = columns_of(*EXAMPLES["random"])
    counts = np.random.default_rng(0).multinomial(200, np.full(200, 1 / 200), 3).T.astype(float)
    found = ECE_MASS.statistic(columns, CLASSES, counts)
    bins = bins_of_equal_mass(columns["confidence"])
    for drawn, value in zip(counts.T.astype(int), found, strict=True):
        repeated = {name: np.repeat(values, drawn) for name, values in columns.items()}
        assert value == pytest.approx(by_loop(repeated, np.repeat(bins, drawn)), abs=1e-9)
