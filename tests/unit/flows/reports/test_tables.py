"""Tables of results: means of groups, marks of methods that use labels, formats."""

import json

import polars as pl
import pytest

from flows.errors import ExperimentError
from flows.reports.formats import FORMATS
from flows.reports.leaderboard import leaderboard
from flows.reports.tables import experiments_with_results, render, results_of, table_of, wide
from storage.store import Store


def results(*rows):
    """Return results of one experiment, by method, data set, group, value and use of labels."""
    columns = ["method", "dataset", "group", "value", "uses_labels"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    texts = {name: pl.lit(None, pl.String) for name in ("note", "published_source")}
    numbers = {name: pl.lit(None, pl.Float64) for name in ("ci_low", "ci_high", "published")}
    return frame.with_columns(
        experiment=pl.lit("digits"), run_id=pl.lit("r0"), metric=pl.lit("top1"), **texts, **numbers
    )


ROWS = results(
    ("dawin/samples", "clean", "id", 0.9, False),
    ("dawin/samples", "noisy", "ood", 0.5, False),
    ("dawin/samples", "rotated", "ood", 0.8, False),
    ("greedy-soup", "clean", "id", 1.0, True),
    ("greedy-soup", "noisy", "ood", 0.25, False),
    ("greedy-soup", "rotated", "ood", 0.75, False),
    ("dawin/samples", "mean/id", "id", 0.9, False),
    ("dawin/samples", "mean/ood", "ood", 0.65, False),
)


def test_a_table_has_a_row_for_each_method_and_a_mean_for_each_group():
    """Values are percentages, and the mean of a group gives each data set the same weight."""
    table = wide(ROWS)
    assert table.columns == ["method", "clean", "noisy", "rotated", "mean id", "mean ood"]
    assert table.row(0) == ("dawin/samples", 90.0, 50.0, 80.0, 90.0, pytest.approx(65.0))


def test_a_method_that_uses_the_labels_of_one_data_set_is_marked_on_all():
    """The mark is part of its name, so that every format shows it."""
    assert wide(ROWS)["method"].to_list() == ["dawin/samples", "greedy-soup (labels)"]


def test_only_the_chosen_metric_is_in_a_table():
    """Rows of other metrics change neither its rows nor its means."""
    other = ROWS.with_columns(metric=pl.lit("top5"), value=pl.lit(1.0))
    assert wide(pl.concat([ROWS, other])).equals(wide(ROWS))


@pytest.mark.parametrize("style", FORMATS)
def test_every_format_renders_results_and_tables(style):
    """No format ends with an empty line, and each holds the name of the method."""
    for text in (render(ROWS, style), table_of(wide(ROWS), style)):
        assert "dawin/samples" in text
        assert text == text.rstrip("\n")


def test_json_holds_every_row_and_the_exact_values():
    """Programs read numbers without rounding."""
    assert [row["value"] for row in json.loads(render(ROWS, "json"))] == ROWS["value"].to_list()


def test_results_without_labels_are_a_sentence():
    """Such results have no accuracies to show; the predictions are in the store."""
    assert "no labels" in render(ROWS.clear(), "table")


@pytest.mark.parametrize("read", [results_of, leaderboard, experiments_with_results])
def test_an_empty_store_is_an_error_that_names_the_commands_to_run(read, tmp_path):
    """All readers of results refuse it in the same words."""
    store = Store(str(tmp_path))
    with pytest.raises(ExperimentError, match=rf"{tmp_path}: no results yet; `dawin run EXPERIMENT\.yaml`"):
        read(store, "digits")


@pytest.mark.parametrize("read", [results_of, leaderboard])
def test_a_misspelt_experiment_leads_to_the_one_with_results(read, tmp_path, monkeypatch):
    """The message also lists all experiments that have results."""
    monkeypatch.setattr("flows.reports.tables.experiments", lambda _: ["digits", "tiny"])
    wanted = r"'digit' in file://\S+; did you mean digits\? it has results of digits, tiny"
    with pytest.raises(ExperimentError, match=wanted):
        read(Store(str(tmp_path)), "digit")


def test_a_folder_that_does_not_exist_leads_to_the_one_beside_it(tmp_path):
    """It is not taken for an empty store."""
    (tmp_path / "dawin-store").mkdir()
    with pytest.raises(ExperimentError, match=r"dawin-sotre: no such folder; did you mean dawin-store\?"):
        results_of(Store(str(tmp_path / "dawin-sotre")))
