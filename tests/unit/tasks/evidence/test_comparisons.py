"""Comparisons of methods: pairs, tests, means over groups, the correction, and the table in the store."""

from dataclasses import replace

import numpy as np
import pytest
from compared import column_of, correlated_errors
from statsmodels.stats.multitest import multipletests

from storage import scan
from storage.store import Store
from tasks.evidence.compared import Compared, ComparedColumn, mean_of, means_of
from tasks.evidence.comparisons import compare, request_of, write_comparisons
from tasks.numerics.evidence.replicates import numbers
from tasks.numerics.evidence.resampling import Resampling
from tasks.numerics.metrics.selective_prediction import AUROC, rarer_samples

RANDOM = np.random.default_rng(1)
RIGHT = correlated_errors(RANDOM, 4, 600)
COLUMN = column_of(RIGHT)


def facts(rows):
    """Return rows without what differs between two calls."""
    return [{name: value for name, value in row.items() if name != "created_at"} for row in rows]


def test_every_pair_has_a_row_and_all_are_corrected_together():
    """The corrected values are statsmodels', over the pairs of all columns."""
    rows = compare([COLUMN, column_of(RIGHT[:, ::2], dataset="noisy", group="ood")])
    assert [(row["method_a"], row["method_b"]) for row in rows[:3]] == [("m0", "m1"), ("m0", "m2"), ("m0", "m3")]
    assert len(rows) == 12
    wanted = multipletests([row["p_value"] for row in rows], method="holm")[1]
    assert [row["p_corrected"] for row in rows] == pytest.approx(wanted)


def test_the_order_of_the_samples_changes_nothing():
    """Samples are exchangeable."""
    shuffled = column_of(RIGHT[:, RANDOM.permutation(600)])
    assert facts(compare([shuffled])) == facts(compare([COLUMN]))


def test_swapping_two_methods_changes_the_sign_alone():
    """The difference and its interval are mirrored; p stays."""
    pair = replace(COLUMN, methods=COLUMN.methods[:2])
    swapped = replace(COLUMN, methods=COLUMN.methods[1::-1])
    (one,), (other,) = compare([pair]), compare([swapped])
    assert (other["difference"], other["ci_low"], other["ci_high"]) == (
        -one["difference"],
        -one["ci_high"],
        -one["ci_low"],
    )
    assert other["p_value"] == one["p_value"]


def test_mcnemars_test_and_the_bootstrap_agree_on_many_samples():
    """The same differences, by either way of testing."""
    right = correlated_errors(np.random.default_rng(2), 3, 20_000)
    right[0, :200] = True
    exact = compare([column_of(right)])
    drawn = compare([column_of(right.astype(float), resamples=1000)])
    for one, other in zip(exact, drawn, strict=True):
        assert (one["test"], other["test"]) == ("mcnemar", "bootstrap")
        assert other["difference"] == pytest.approx(one["difference"])
        width = one["ci_high"] - one["ci_low"]
        assert [other["ci_low"], other["ci_high"]] == pytest.approx([one["ci_low"], one["ci_high"]], abs=0.1 * width)
        assert other["detectable"] == pytest.approx(one["detectable"], rel=0.12)


def test_a_mean_gives_each_data_set_the_same_weight_and_needs_a_value_on_each():
    """A method without a value on one of them takes part in no mean over it."""
    small = column_of(RIGHT[:3, :100], dataset="small", group="ood", resamples=50)
    large = column_of(RIGHT, dataset="large", group="ood", resamples=50, seed=2)
    (mean,) = means_of([small, large])
    assert (mean.dataset, mean.group, mean.samples, mean.least) == ("mean/ood", "ood", 700, 100)
    assert [method.method for method in mean.methods] == ["m0", "m1", "m2"]
    assert mean.methods[1].value == pytest.approx((RIGHT[1, :100].mean() + RIGHT[1].mean()) / 2)
    assert {row["test"] for row in compare([mean])} == {"bootstrap"}


def test_a_mean_over_everything_exists_where_several_groups_do():
    """A group of one data set needs no mean of its own."""
    columns = [
        column_of(RIGHT, dataset=name, group=group, resamples=50)
        for name, group in (("one", "id"), ("two", "ood"), ("three", "ood"))
    ]
    means = list(means_of(columns))
    assert [mean.dataset for mean in means] == ["mean/ood", "mean/all"]


@pytest.mark.parametrize(
    ("right", "p"), [([[True], [False]], 1), ([[True], [True]], 1), ([[True] * 8, [False] * 8], 2.0**-7)]
)
def test_degenerate_tables_have_a_p_value_that_their_samples_can_carry(right, p):
    """One sample proves nothing; eight that all favour one method have p = 2 · 2^-8, by either test."""
    exact = compare([column_of(right)])[0]
    drawn = compare([column_of(np.array(right, float), resamples=20)])[0]
    assert exact["p_value"] == drawn["p_value"] == p
    assert drawn["ci_low"] is drawn["ci_high"] is drawn["detectable"] is None
    assert (exact["detectable"] is None) == (len(right[0]) < 6)


def test_the_table_in_the_store_has_the_rows_and_is_written_once(memory):
    """`scan` reads it; the same request has the same key."""
    store = Store(memory)
    rows = compare([COLUMN])
    keys = {write_comparisons(store, "digits", "r0123", request_of(), rows) for _ in range(2)}
    assert len(keys) == 1
    found = scan("comparisons", store=store).collect()
    assert found.height == 6
    assert found["p_corrected"].to_list() == [row["p_corrected"] for row in rows]
    assert set(found["run_id"]) == {"r0123"}


def test_different_requests_have_different_tables(memory):
    """Metrics, methods, data sets and the other run each count."""
    store, rows = Store(memory), compare([COLUMN])
    requests = [
        request_of(),
        request_of(["nll"]),
        request_of(methods=[["m0", "m1"]]),
        request_of(datasets={"top1": ["clean"]}),
        request_of(other="digits/r4567"),
    ]
    assert len({write_comparisons(store, "digits", "r0123", one, rows) for one in requests}) == len(requests)


def test_a_mean_without_resamples_is_refused():
    """The message names the method."""
    with pytest.raises(ValueError, match="m0: wanted resamples"):
        list(means_of([COLUMN, column_of(RIGHT, dataset="other")]))


def test_a_metric_without_resamples_is_refused():
    """Not every metric is a share of right samples."""
    with pytest.raises(ValueError, match="clean, nll: wanted resamples of all methods, none of m0"):
        compare([column_of(RIGHT.astype(float), metric="nll")])


def test_resamples_on_which_a_metric_is_not_defined_are_left_out_of_their_pairs_alone():
    """A resample may hold no error of one method; the other pairs keep it. Below half of the resamples, p is 1."""
    column = column_of(RIGHT.astype(float), metric="auroc", resamples=400)
    drawn = [one.replicates.copy() for one in column.methods]
    drawn[0][:200] = np.nan
    torn = replace(column, methods=[replace(m, replicates=d) for m, d in zip(column.methods, drawn, strict=True)])
    half = replace(column, methods=[replace(m, replicates=d[200:]) for m, d in zip(column.methods, drawn, strict=True)])
    rows = [[row for row in facts(compare([one])) if row.pop("p_corrected") <= 1] for one in (torn, half, column)]
    for of_torn, of_half, of_all in zip(*rows, strict=True):
        assert of_torn == (of_half if of_torn["method_a"] == "m0" else of_all)
    drawn[0][:201] = np.nan
    few = replace(column, methods=[replace(m, replicates=d) for m, d in zip(column.methods, drawn, strict=True)])
    found = [row for row in compare([few]) if row["method_a"] == "m0"]
    assert {(row["p_value"], row["ci_low"], row["detectable"]) for row in found} == {(1.0, None, None)}


def test_methods_with_one_error_each_have_aurocs_that_prove_nothing():
    """One error is one observation, however many samples are right and however little the resamples vary."""
    samples, random = 400, np.random.default_rng(4)
    columns = {}
    for method in range(3):
        rank = np.zeros(samples, np.int32)
        rank[7] = 1
        columns[f"m{method}"] = {"confidence": random.random(samples), "label_rank": rank}
    found = numbers([AUROC], columns, 10, Resampling(samples))
    methods = [
        Compared(
            method=name,
            run="digits/r0123",
            value=float(found.values[place, 0]),
            replicates=found.drawn[place, 0],
            deciding=rarer_samples(columns[name]),
        )
        for place, name in enumerate(columns)
    ]
    column = ComparedColumn(
        dataset="clean", group="id", metric="auroc", samples=samples, least=samples, methods=methods
    )
    rows = compare([column, mean_of("id", [column, column])])
    assert {(row["p_value"], row["ci_low"]) for row in rows} == {(1.0, None)}
    blind = replace(column, methods=[replace(method, deciding=None) for method in methods])
    assert min(row["p_value"] for row in compare([blind])) < 1e-10


def test_equal_predictions_whose_sums_were_rounded_differently_are_equal():
    """Single-precision products of the same terms may differ in their last digits; that is no difference."""
    column = column_of(RIGHT[:1].astype(float), metric="nll", resamples=200)
    (one,) = column.methods
    noise = 1e-9 * RANDOM.standard_normal(200)
    other = replace(one, method="copy", value=one.value + 1e-10, replicates=one.replicates + noise)
    (row,) = compare([replace(column, methods=[one, other])])
    assert (row["p_value"], row["ci_low"]) == (1.0, None)
