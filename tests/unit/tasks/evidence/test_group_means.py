"""Means over groups: which exist, their values, and how resampling the same images together changes intervals."""

import numpy as np
import pytest

from tasks.datasets.preprocessing import Preprocessing
from tasks.evidence.dataset_estimates import DatasetEstimates
from tasks.evidence.group_means import group_means
from tasks.numerics.evidence.estimates import estimates
from tasks.numerics.evidence.resampling import Resampling
from tasks.numerics.metrics.accuracy import TOP1
from tasks.references.datasets import DatasetReference

SAMPLES = 400
PREPROCESSING = Preprocessing(size=8, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


def measured(name, group, hits, *, seed=None, metrics=(TOP1,)):
    """Return the estimates of methods on a data set, from which samples they get right."""
    columns = {method: {"label_rank": np.where(right, 0, 1).astype(np.int32)} for method, right in hits.items()}
    found = estimates(metrics, columns, 10, Resampling(SAMPLES, seed=seed or name))
    dataset = DatasetReference(
        name=name,
        url=f"/images/{name}",
        group=group,
        digest=name,
        samples=SAMPLES,
        classes=10,
        limit=None,
        preprocessing=PREPROCESSING,
    )
    return DatasetEstimates(dataset, found)


def drawn(share, seed=0):
    return np.random.default_rng(seed).random(SAMPLES) < share


def named(measured_sets):
    return {(mean.group, mean.method, mean.metric): mean for mean in group_means(measured_sets)}


def test_each_group_has_a_mean_and_all_data_sets_have_one_where_groups_differ():
    """Every data set has the same weight; the samples are those of all its data sets."""
    clean, dark, foggy = drawn(0.9, 1), drawn(0.6, 2), drawn(0.5, 3)
    sets = [measured("clean", "id", {"a": clean}), measured("dark", "ood", {"a": dark})]
    means = named([*sets, measured("foggy", "ood", {"a": foggy})])
    assert {group for group, *_ in means} == {"id", "ood", "all"}
    assert means["id", "a", "top1"].estimate.value == clean.mean()
    assert means["ood", "a", "top1"].estimate.value == pytest.approx((dark.mean() + foggy.mean()) / 2)
    assert means["all", "a", "top1"].estimate.value == pytest.approx((clean.mean() + dark.mean() + foggy.mean()) / 3)
    assert means["all", "a", "top1"].estimate.samples == 3 * SAMPLES
    assert means["ood", "a", "top1"].datasets == ("dark", "foggy")


def test_one_group_alone_has_no_second_mean_over_all_data_sets():
    """A mean over all data sets would repeat the group's."""
    means = named([measured("one", "ood", {"a": drawn(0.5)}), measured("two", "ood", {"a": drawn(0.6)})])
    assert {group for group, *_ in means} == {"ood"}


def test_the_mean_of_one_data_set_is_its_own_estimate():
    """Wilson's interval stays Wilson's."""
    one = measured("clean", "id", {"a": drawn(0.8)})
    assert named([one])["id", "a", "top1"].estimate == one.measured["a"]["top1"].estimate


def test_a_method_without_a_value_on_a_data_set_has_no_mean_over_it():
    """Means of different data sets would be compared with one another."""
    means = named(
        [measured("one", "ood", {"a": drawn(0.5), "b": drawn(0.4)}), measured("two", "ood", {"a": drawn(0.6)})]
    )
    assert {method for _, method, _ in means} == {"a"}


def test_the_interval_of_a_mean_counts_an_image_under_two_shifts_once():
    """Equal hits on the same images: the mean is as uncertain as one set; of other images it is √2 times surer."""
    hits, names = drawn(0.5), ("dark", "foggy")
    together = group_means([measured(name, "ood", {"a": hits}, seed="same images") for name in names])
    apart = group_means([measured(name, "ood", {"a": hits}) for name in names])
    of_same, of_others = (mean.estimate.ci_high - mean.estimate.ci_low for (mean,) in map(list, (together, apart)))
    assert of_same / of_others == pytest.approx(np.sqrt(2), rel=0.1)
    assert of_same == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(SAMPLES), rel=0.1)
