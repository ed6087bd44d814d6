"""Published numbers beside measured ones: differences, intervals, and tables in every format."""

import polars as pl
import pytest
from result_rows import result_rows, with_published

from flows.reports.published import CAVEAT, published_rows, published_table, published_texts, sources

VALUES = {"soup": {"clean": 0.801, "noisy": 0.4701}, "ties": {"clean": 0.79, "noisy": 0.5}}
PUBLISHED = {("soup", "clean"): 0.7997, ("soup", "noisy"): 0.4771, ("ties", "clean"): 0.79}


def rows(published=PUBLISHED, source="a paper", **options):
    """Return result rows of two methods; some of them have published numbers."""
    return with_published(result_rows(VALUES, margin=0.0035, **options), published, source)


def test_a_published_number_has_one_row_and_others_have_none():
    """The rows come method by method, and of each method in the order of the results."""
    by_dataset = rows().sort("dataset", maintain_order=True)
    for results in (rows(), by_dataset):
        assert list(published_rows(results).select("method", "dataset").iter_rows()) == list(PUBLISHED)
    assert published_rows(rows())["source"].unique().to_list() == ["a paper"]


def test_the_difference_is_measured_minus_published():
    """Swapping both numbers changes its sign, and equal numbers differ by 0."""
    found = published_rows(rows())
    assert found["difference"].to_list() == pytest.approx([0.0013, -0.007, 0.0])
    swapped = published_rows(rows().with_columns(value=pl.col("published"), published=pl.col("value")))
    assert swapped.drop_nulls()["difference"].to_list() == pytest.approx([-0.0013, 0.007, 0.0])


def test_the_interval_of_the_difference_holds_zero_where_the_published_number_is_inside():
    """Both say the same: the measured interval, less the published number."""
    found = published_rows(rows())
    assert found["inside"].to_list() == [True, False, True]
    assert ((found["ci_low"] <= 0) & (found["ci_high"] >= 0)).to_list() == found["inside"].to_list()
    assert (found["ci_high"] - found["ci_low"]).to_list() == pytest.approx([0.007] * 3)


def test_a_value_without_an_interval_is_neither_inside_nor_outside():
    """The table shows a dash for both."""
    without = rows().with_columns(ci_low=pl.lit(None, pl.Float64), ci_high=pl.lit(None, pl.Float64))
    found = published_rows(without)
    assert found["inside"].to_list() == [None] * 3
    assert published_table(found, "top1").select("95 % interval", "inside").row(0) == ("–", "–")


def test_results_without_published_numbers_have_no_rows_and_no_texts():
    """Nothing is printed for most experiments."""
    assert published_rows(rows({})).is_empty()
    assert published_texts(rows({}), "simple") == []


def test_shares_are_shown_in_percent_with_two_decimals_and_signs():
    """As papers print them; a difference that rounds to 0 has no sign."""
    first, second, third = published_table(published_rows(rows()), "top1").iter_rows()
    assert first == ("soup", "clean", "79.97", "80.10", "+0.13", "−0.22 to +0.48", "yes")
    assert second[2:] == ("47.71", "47.01", "−0.70", "−1.05 to −0.35", "no")
    assert third[4] == "0.00"


def test_other_metrics_are_shown_as_they_are():
    """A coefficient's error has no percentage."""
    name = "coefficient_error_max"
    found = published_rows(rows(metric=name))
    assert published_table(found, name)["published"].to_list() == ["0.7997", "0.4771", "0.7900"]
    assert published_table(found, "top1").is_empty()


@pytest.mark.parametrize("layout", ["simple", "github", "latex_booktabs"])
def test_every_layout_holds_the_numbers_the_caveat_and_the_source(layout):
    """Signs stay: no number is read and written again."""
    text = "\n".join(published_texts(rows(), layout))
    for part in ("79.97", "80.10", "+0.13", "a paper"):
        assert part in text
    assert CAVEAT.partition("−")[0] in text


def test_latex_has_no_sign_that_it_cannot_print():
    """Signs are ASCII, percent signs are escaped, and sentences are comments."""
    table, sentences = published_texts(rows(), "latex_booktabs")
    assert (table + sentences).isascii()
    assert r"95 \% interval" in table
    assert all(line.startswith("% ") for line in sentences.splitlines())


def test_several_sources_say_which_methods_they_are_of():
    """A single source stands alone."""
    both = pl.concat([rows({("soup", "clean"): 0.8}), rows({("ties", "clean"): 0.8}, source="a log")])
    assert sources(published_rows(both)) == ["soup: a paper", "ties: a log"]
    assert sources(published_rows(rows())) == ["a paper"]
