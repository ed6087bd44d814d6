"""The leaderboard as parts of a page: words, marks, charts, and numbers that people can read."""

import json
import re

import polars as pl
import pytest
from board_rows import boards_from, rows_of, run_rows

from flows.pages.charts.over_time import MOST_LINES, Point, over_time
from flows.pages.frame.render import render
from flows.pages.leaderboard_page import leaderboard_page
from flows.pages.parts import Chart, Choice, Note, Table

HOSTILE = "</script><img src=x onerror=alert(1)>"


def parts_of(page, kind):
    """All parts of a kind, in order, those inside of choices too."""

    def inside(part):
        if isinstance(part, Choice):
            return [found for option in part.options for inner in option.parts for found in inside(inner)]
        return [part] if isinstance(part, kind) else []

    return [found for section in page.sections for part in section.parts for found in inside(part)]


def page_of(*runs):
    """The page of some runs."""
    return leaderboard_page(boards_from(rows_of(*runs)), "s3://bucket/store")


def column(table, name):
    """The cells of a column, top to bottom."""
    (position,) = [i for i, one in enumerate(table.columns) if one.name == name]
    return [row[position] for row in table.rows]


def test_every_checkpoint_has_a_row_with_its_gain_over_the_base():
    """The newest one comes first, and new ones are marked in words."""
    page = page_of(*(run_rows(i, days=4 * i) for i in range(5)))
    checkpoints = parts_of(page, Table)[1]
    assert [cell.text for cell in column(checkpoints, "checkpoint")] == [f"step-{i}.pt" for i in (4, 3, 2, 1, 0)]
    assert [cell.detail for cell in column(checkpoints, "checkpoint")] == ["new", "new", "", "", ""]
    assert [cell.text for cell in column(checkpoints, "against the base")] == [
        f"+{9.5 + i:#.3g}" for i in (4, 3, 2, 1, 0)
    ]
    assert [cell.mark for cell in column(checkpoints, "best")] == ["best", None, None, None, None]
    assert {cell.text for cell in column(checkpoints, "individual/base")} == {"60.0"}


def test_every_method_has_a_row_and_the_oracle_is_never_the_best():
    """Its values are shown, with a remark."""
    methods = parts_of(page_of(run_rows(0), run_rows(1, days=9)), Table)[2]
    names = column(methods, "method")
    assert [cell.text for cell in names][:2] == ["oracle/samples", "dawin/samples"]
    assert names[0].detail == "uses labels"
    assert [cell.mark for cell in column(methods, "newest")] == [None, "best", None, None, None]
    assert [cell.text for cell in column(methods, "gains")] == ["2 of 2"] * 4 + [""]


def test_the_chart_has_the_best_of_each_family_and_the_base_as_the_reference():
    """The oracle has no line; each line has a point for every run."""
    chart = parts_of(page_of(*(run_rows(i, days=i) for i in range(6))), Chart)[0]
    values = chart.spec["data"]["values"]
    assert {row["method"] for row in values} == {"dawin/samples", "wise-ft/0.50", "individual/tuned", "individual/base"}
    assert len(values) == 4 * 6
    assert chart.spec["encoding"]["color"]["scale"]["domain"][-1] == "individual/base"
    assert "dashed reference" in chart.description


def test_the_words_say_what_the_newest_run_came_to():
    """The method, its accuracy, its gain, and an earlier run that was higher."""
    first, second = run_rows(5), run_rows(1, days=1)
    (words,) = page_of(first, second).sections[0].words
    assert "`dawin/samples` with 70.5 %, +10.5 points against the base (mean of all 3)" in words
    assert "The highest of all comparable runs is 74.5 %, by `step-5.pt`." in words
    for earlier in (1, 5):  # lower, and as high
        runs = run_rows(earlier).with_columns(run_id=pl.lit("r-first")), run_rows(5, days=1)
        assert "highest of all" not in page_of(*runs).sections[0].words[0]


def test_runs_that_do_not_compare_are_counted_and_have_no_accuracies():
    """Their row says why."""
    page = page_of(run_rows(0, digests={"noisy": "d-other"}), run_rows(1, days=1))
    assert "1 run was made on other data sets" in parts_of(page, Note)[0].text
    checkpoints = parts_of(page, Table)[1]
    assert [cell.text for cell in column(checkpoints, "best")][1] == ""
    assert "other images" in column(checkpoints, "best method")[1].title
    assert len(parts_of(page, Chart)) == 3


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_experiment_is_a_view_of_its_own(count):
    """One experiment needs no choice."""
    page = page_of(*(run_rows(0, experiment=f"e{i}") for i in range(count)))
    choices = [part for part in page.sections[1].parts if isinstance(part, Choice)]
    labels = [choice.label for choice in choices]
    assert labels == (["Accuracy on"] if count == 1 else ["Experiment"])
    assert len(choices[0].options) == (3 if count == 1 else count)


def test_a_store_without_accuracies_has_a_page_that_says_so():
    """It is no error: predictions exist."""
    page = leaderboard_page([], "s3://bucket/store")
    assert "no labels" in parts_of(page, Note)[0].text
    assert "Leaderboard" in render(page)


def test_names_from_outside_are_escaped():
    """A checkpoint, an experiment and a method with markup in their names add no element."""
    rows = run_rows(0, experiment="x", checkpoint=HOSTILE, methods={"individual/base": 0.0, f"ties/{HOSTILE}": 1.0})
    text = render(page_of(rows))
    assert HOSTILE not in text
    assert "<img src=x" not in text


def test_no_number_is_longer_than_people_read():
    """Cells and tooltips have three significant digits."""
    runs = [run_rows(i, days=i).with_columns(value=70 + 1 / (i + 3) ** 2 + 1 / 7) for i in range(3)]
    page = page_of(*runs)
    texts = [cell.text for table in parts_of(page, Table) for row in table.rows for cell in row]
    texts += [row["shown"] for chart in parts_of(page, Chart) for row in chart.spec["data"]["values"]]
    assert texts
    assert not [text for text in texts if re.search(r"\d\.\d{4,}", text)]


def test_a_chart_of_one_moment_has_an_axis_around_it():
    """A single run is drawn in the middle of a day."""
    (row,) = [
        r for r in run_rows(0).iter_rows(named=True) if r["method"] == "dawin/samples" and r["dataset"] == "clean"
    ]
    point = Point(row["at"], "dawin/samples", row["value"], "a.pt", "79.5 %", False)
    low, high = over_time([point], ["dawin/samples"], "individual/base")["encoding"]["x"]["scale"]["domain"]
    assert (low, high) == ("2026-10-31T20:15:00Z", "2026-11-01T20:15:00Z")
    assert MOST_LINES >= 4


def test_hundreds_of_runs_make_a_page_that_a_browser_opens():
    """300 runs of five methods on three means stay below five megabytes."""
    page = page_of(*(run_rows(i % 20, days=i).with_columns(run_id=pl.lit(f"r{i:05d}")) for i in range(300)))
    assert len(render(page).encode()) < 5_000_000
    assert len(parts_of(page, Table)[1].rows) == 300
    json.dumps(parts_of(page, Chart)[0].spec, allow_nan=False)


def test_the_page_shows_the_digest_of_the_results_that_it_is_made_of():
    """By it a later look knows that nothing has changed."""
    board = boards_from(run_rows(0))
    assert "Made of 1 run, content 0123abcd." in render(leaderboard_page(board, "s3://bucket/store", "0123abcd"))
    assert "Made of 1 run." in render(leaderboard_page(board, "s3://bucket/store"))


def test_a_page_of_some_runs_says_how_many_exist():
    """The note names the command that prints all; the table of experiments counts all."""
    rows = rows_of(*(run_rows(i, days=i) for i in range(4)))
    page = leaderboard_page(boards_from(rows, newest=3), "s3://bucket/store")
    notes = [note.text for note in parts_of(page, Note)]
    assert any("newest 3 of 4 runs" in text and "dawin leaderboard digits --format csv" in text for text in notes)
    assert page.subtitle.startswith("4 runs in ")
    assert [cell.text for cell in column(parts_of(page, Table)[0], "runs")] == ["4"]
    whole = leaderboard_page(boards_from(rows), "s3://bucket/store")
    assert not [note for note in parts_of(whole, Note) if "newest" in note.text]


def test_the_base_of_a_run_with_another_base_model_is_marked():
    """A note counts such runs."""
    weights = pl.col("weights").list.eval(pl.element().replace("w-base", "w-other"))
    page = page_of(run_rows(0).with_columns(weights), run_rows(1, days=1))
    cells = column(parts_of(page, Table)[1], "individual/base")
    assert [cell.detail for cell in cells] == ["", "†"]
    assert any(note.text.startswith("1 run has another base model") for note in parts_of(page, Note))
