"""The short table of results: which methods have a row, which columns exist, and which values are the best."""

import polars as pl
import pytest
from result_rows import result_rows

from flows.reports.summary import significant, summary_of


def on(clean, noisy, rotated):
    return {"clean": clean, "noisy": noisy, "rotated": rotated}


TABLE = {
    "individual/base": on(0.900, 0.700, 0.600),
    "individual/tuned": on(0.950, 0.500, 0.400),
    "wise-ft/0.40": on(0.960, 0.650, 0.550),
    "wise-ft/0.50": on(0.955, 0.720, 0.620),
    "wise-ft/0.60": on(0.965, 0.600, 0.500),
    "wise-ft/0.70": on(0.965, 0.990, 0.990),
    "output-ensemble/uniform": on(0.940, 0.710, 0.580),
    "output-ensemble/dynamic": on(0.930, 0.720, 0.610),
    "oracle/samples": on(0.990, 0.900, 0.880),
    "dawin/clusters-3": on(0.962, 0.718, 0.615),
    "dawin/samples": on(0.964, 0.719, 0.614),
}
ROWS = result_rows(TABLE, labelled=("oracle/samples",))


def shown(summary):
    return {row.method: row.remark for row in summary.rows}


def test_a_family_has_one_row_its_best_by_in_distribution_accuracy():
    """The first of equal ones: a member that is better on shifted sets alone is not chosen. Models, DaWin: all rows."""
    assert shown(summary_of(ROWS)) == {
        "individual/base": "",
        "individual/tuned": "",
        "wise-ft/0.50": "",
        "wise-ft/0.60": "best on clean",
        "output-ensemble/uniform": "best on clean",
        "oracle/samples": "",
        "dawin/clusters-3": "",
        "dawin/samples": "",
    }
    assert summary_of(ROWS).hidden == 3


def test_without_an_in_distribution_group_the_mean_of_all_sets_chooses():
    """The remark says so; one group alone has one mean column."""
    summary = summary_of(result_rows(TABLE, groups=dict.fromkeys(("clean", "noisy", "rotated"), "tasks")))
    assert shown(summary)["wise-ft/0.70"] == "best mean"
    assert "wise-ft/0.60" not in shown(summary)
    assert [column.name for column in summary.columns] == ["mean", "clean", "noisy", "rotated"]


def test_several_in_distribution_sets_choose_by_their_mean():
    """The remark names the mean, and the mean of the group is a column."""
    summary = summary_of(result_rows(TABLE, groups={"clean": "id", "noisy": "id", "rotated": "ood"}))
    assert shown(summary)["wise-ft/0.70"] == "best mean id"
    assert [column.name for column in summary.columns] == ["mean id", "rotated", "clean", "noisy"]


def test_of_many_models_the_base_and_the_best_have_a_row():
    """The others are counted as hidden."""
    table = {f"individual/{n}": on(0.5 + 0.01 * n, 0.5, 0.5) for n in (3, 7, 1, 9, 2)}
    summary = summary_of(result_rows(table))
    assert shown(summary) == {"individual/3": "", "individual/9": "best on clean"}
    assert summary.hidden == 3


def test_all_rows_are_every_method_without_remarks():
    """In the order of the results."""
    summary = summary_of(ROWS, all_rows=True)
    assert shown(summary) == dict.fromkeys(TABLE, "")
    assert summary.hidden == 0


def test_columns_are_single_sets_of_a_group_and_means_then_the_other_sets():
    """A group of one data set needs no mean."""
    columns = summary_of(ROWS).columns
    assert [column.name for column in columns] == ["clean", "mean ood", "noisy", "rotated"]
    assert [column.samples for column in columns] == [400, None, 400, 400]


def test_values_have_three_digits_and_half_the_interval_and_so_have_means():
    """A mean over a group has an interval of its own, shorter than those of its data sets."""
    figures = summary_of(ROWS).rows[0].figures
    assert [figure.shown for figure in figures] == ["90.0", "65.0", "70.0", "60.0"]
    assert [figure.margin and round(figure.margin, 6) for figure in figures] == [2.0, 1.0, 2.0, 2.0]


def test_an_interval_near_its_end_has_the_margin_of_its_longer_side():
    """30 of 30 right: the interval begins at 88.6 %, and a margin of half its length would say 94.3 %."""
    rows = ROWS.with_columns(value=pl.lit(1.0), ci_low=pl.lit(0.886), ci_high=pl.lit(1.0))
    assert summary_of(rows).rows[0].figures[0].margin == pytest.approx(11.4)


def test_a_family_without_a_member_on_every_set_has_no_best():
    """A member with a value on one set and another member with a value on the other cannot be compared."""
    table = {"wise-ft/0.10": {"clean": 0.9}, "wise-ft/0.20": {"noisy": 0.8}}
    rows = result_rows(table, groups={"clean": "id", "noisy": "id"})
    assert set(shown(summary_of(rows)).values()) == {""}


def test_the_best_of_a_column_is_marked_among_methods_without_labels():
    """Rows that show the same number are marked together, the oracle never."""
    best = {
        column.name: [row.method for row in summary_of(ROWS).rows if row.figures[i].is_best]
        for i, column in enumerate(summary_of(ROWS).columns)
    }
    assert best["clean"] == ["wise-ft/0.60"]
    assert best["noisy"] == ["wise-ft/0.50"]
    tied = result_rows({"individual/base": on(0.90001, 0.5, 0.5), "dawin/samples": on(0.9, 0.5, 0.4)})
    assert [[f.is_best for f in row.figures] for row in summary_of(tied).rows] == [
        [False, True, False, True],  # on clean and noisy all rows show one number, so none is the best
        [False, False, False, False],
    ]


def test_a_method_that_uses_the_labels_of_one_set_is_marked_on_all():
    """As in the wide table."""
    rows = ROWS.with_columns(uses_labels=(pl.col("method") == "dawin/samples") & (pl.col("dataset") == "clean"))
    assert [row.method for row in summary_of(rows).rows if row.uses_labels] == ["dawin/samples"]


def test_sets_without_labels_have_a_column_in_their_place_and_no_values():
    """Also if results have no row of them at all; a mean is that of the sets with labels."""
    other = result_rows(
        {"dawin/clusters-3": {"photos": 0.1}}, groups={"photos": "ood"}, metric="coefficient_error_mean"
    )
    for rows, datasets in ((pl.concat([ROWS, other]), ()), (ROWS, ("clean", "photos", "noisy", "rotated"))):
        summary = summary_of(rows, datasets=datasets)
        assert summary.unlabelled == ["photos"]
        place = [column.name for column in summary.columns].index("photos")
        assert all(row.figures[place] is None for row in summary.rows)
        assert summary.rows[0].figures[1].shown == "65.0"
    assert [column.name for column in summary.columns] == ["clean", "mean ood", "photos", "noisy", "rotated"]


def test_a_mean_over_sets_of_which_one_has_no_value_is_empty():
    """A mean of fewer sets could not be compared with those of the other rows, so results hold none."""
    table = {**TABLE, "dawin/samples": {"clean": 0.964, "rotated": 0.614}}
    rows = result_rows(table, labelled=("oracle/samples",))
    figures = summary_of(rows).rows[-1].figures
    assert [figure and figure.shown for figure in figures] == ["96.4", None, None, "61.4"]


def test_the_best_value_of_a_metric_may_be_the_lowest():
    """A loss chooses the family's best member, and marks the best of a column, by the other end."""
    losses = {"dawin/samples": on(0.5, 0.7, 0.8), "wise-ft/0.40": on(0.3, 0.85, 0.6)}
    losses |= {f"wise-ft/0.{tenth}0": on(0.4, 0.8, 0.9) for tenth in (1, 2, 3, 6, 7)}
    rows = {row.method: row for row in summary_of(result_rows(losses, metric="nll"), metric="nll").rows}
    assert rows["wise-ft/0.40"].remark == "best on clean"
    best = {method: [figure.is_best for figure in row.figures] for method, row in rows.items()}
    assert best["wise-ft/0.40"] == [True, True, False, True]
    assert best["dawin/samples"] == [False, False, True, False]


def test_a_metric_without_a_direction_is_shown_as_it_is_without_a_best():
    """Smaller errors may be better."""
    rows = result_rows({"dawin/clusters-3": on(0.0123, 0.2, 0.3)}, metric="coefficient_error_mean")
    (row,) = summary_of(rows, metric="coefficient_error_mean").rows
    assert (row.figures[0].shown, row.figures[0].is_best) == ("0.0123", False)


def test_rows_of_two_experiments_are_refused():
    """The message names them."""
    with pytest.raises(ValueError, match="wanted one experiment, got digits, letters"):
        summary_of(pl.concat([ROWS, ROWS.with_columns(experiment=pl.lit("letters"))]))


@pytest.mark.parametrize(("value", "text"), [(0.0, "0.00"), (99.96, "100"), (5.0, "5.00"), (99.949, "99.9")])
def test_numbers_have_three_digits(value, text):
    """Zeros at the end are digits too."""
    assert significant(value) == text


def test_a_mean_that_no_row_has_has_no_column():
    """Rows of some data sets of a group have no mean, and a column of dashes would say nothing."""
    rows = result_rows({"individual/base": {"clean": 0.9, "noisy": 0.8, "rotated": 0.7}})
    assert [column.key for column in summary_of(rows).columns] == ["clean", "mean/ood", "noisy", "rotated"]
    some = summary_of(rows.filter(pl.col("dataset") != "mean/ood"))
    assert [column.key for column in some.columns] == ["clean", "noisy", "rotated"]
