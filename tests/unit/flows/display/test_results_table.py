"""The table of results as text, on terminals of several widths and without one."""

import io

import polars as pl
import pytest
from result_rows import result_rows
from rich.console import Console

from flows.display.results_table import print_results
from storage.store import Store

SHIFTS = ("noisy", "blurred", "inverted", "occluded", "rotated", "shifted", "scaled", "elastic")
TABLE = {
    "individual/base": 0.901,
    "individual/tuned": 0.952,
    "wise-ft/0.40": 0.955,
    "wise-ft/0.50": 0.96,
    "wise-ft/0.60": 0.965,
    "oracle/samples": 0.99,
    "dawin/samples": 0.963,
}
GROUPS = {"clean": "id", **dict.fromkeys(SHIFTS, "ood")}
ROWS = result_rows(
    {m: {d: v - 0.01 * i for i, d in enumerate(GROUPS)} for m, v in TABLE.items()},
    groups=GROUPS,
    labelled=("oracle/samples",),
    notes={"elastic": "labels may be shuffled"},
)
SMALL = ROWS.filter(pl.col("dataset").is_in(["clean", "noisy"]))


def printed(rows, width=100, terminal=True, **options):
    """Return the lines, and what `print_results` said was left out."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    hidden = print_results(console, rows, Store("memory://a-table"), **options)
    return stream.getvalue().splitlines(), hidden


def plain(line):
    from rich.text import Text

    return Text.from_ansi(line).plain


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_table_is_no_wider_than_the_terminal_and_says_how_much_it_leaves_out(width):
    """Key columns come first; the number of further data sets is that of the missing columns."""
    lines, hidden = printed(ROWS, width)
    assert max(len(plain(line)) for line in lines) <= width
    header = plain(lines[0]).split()
    assert header[:4] == ["method", "clean", "mean", "ood"]
    missing = len(SHIFTS) - len(header[4:])
    assert (missing > 0) == (width < 140)
    assert hidden == (f"1 more method and {missing} more data sets" if missing else "1 more method")
    assert plain(lines[-1]) == f"--all shows {hidden}"


def test_all_rows_come_with_all_columns_in_further_tables():
    """Each table repeats the methods, and nothing is left out."""
    lines, hidden = printed(ROWS, 80, all_rows=True)
    text = "\n".join(map(plain, lines))
    assert all(name in text for name in (*SHIFTS, *TABLE))
    assert text.count("dawin/samples") == 2
    assert hidden == ""


def test_intervals_are_shown_where_they_fit_and_their_range_where_they_do_not():
    """The line below the table explains them."""
    narrow, _ = printed(ROWS, 100)
    assert "±" not in "".join(narrow[:8])
    assert "95 % intervals ±1.0 to ±2.0" in "".join(map(plain, narrow))
    wide, _ = printed(SMALL, 100)
    assert "90.1 ±2.0" in plain(wide[2])
    assert "±: 95 % interval" in "".join(map(plain, wide))


@pytest.mark.parametrize(
    ("metric", "shown"), [("nll", "0.901 ±0.020"), ("brier", "0.901 ±0.020"), ("top1", "90.1 ±2.0")]
)
def test_a_margin_has_the_decimals_of_a_value_without_percent(metric, shown):
    """A loss of 0.18 with an interval of ±0.02 would have ±0.1 with the one decimal of percentages."""
    lines, _ = printed(SMALL.with_columns(metric=pl.lit(metric)), 100, metric=metric)
    assert shown in plain(lines[2])


def test_the_best_are_bold_on_a_terminal_and_have_a_star_elsewhere():
    """Without a terminal no line has a control character."""
    terminal, _ = printed(SMALL)
    assert any("\x1b[1m96.5 ±2.0\x1b[0m" in line for line in terminal)
    assert any("\x1b[2m" in line and "oracle/samples (labels)" in line for line in terminal)
    elsewhere, _ = printed(SMALL, 10_000, terminal=False)
    assert "\x1b" not in "".join(elsewhere)
    row = next(line for line in elsewhere if line.startswith("wise-ft/0.60"))
    assert row.split() == ["wise-ft/0.60", "(best", "on", "clean)", "96.5", "±2.0*", "95.5", "±2.0*"]
    assert "*: best of these rows without labels" in "".join(elsewhere)


def test_sizes_that_differ_are_in_the_header_and_one_size_is_below():
    """A reader always finds n."""
    lines, _ = printed(
        result_rows({"dawin/samples": {"clean": 0.9, "noisy": 0.8}}, samples={"clean": 1797, "noisy": 90})
    )
    assert plain(lines[1]).split() == ["n=1,797", "n=90"]
    assert "n = 400 each" in "\n".join(map(plain, printed(SMALL)[0]))


def test_notes_are_those_of_the_columns_that_are_shown_and_not_known_yet():
    """A mean shows its data sets too. A note that the same terminal has shown as a warning is not repeated."""
    assert "elastic: labels may be shuffled" in map(plain, printed(ROWS, 60)[0])
    alone = ROWS.with_columns(group=pl.when(pl.col("dataset") == "elastic").then(pl.lit("z")).otherwise("group"))
    assert "elastic" in plain(printed(alone, 140)[0][0])
    assert not any("elastic" in line for line in printed(alone, 45)[0])
    known = ("data set elastic: labels may be shuffled",)
    assert not any("shuffled" in line for line in printed(ROWS, 140, known=known)[0])


def test_a_set_without_labels_has_a_column_that_says_so_and_a_line_with_its_predictions():
    """The address and the command that writes them."""
    datasets = {"clean": "digest-of-clean", "photos": "0123", "noisy": "digest-of-noisy"}
    lines, _ = printed(SMALL, datasets=datasets, samples_command="dawin results digits --samples -o p.parquet")
    shown = [plain(line) for line in lines]
    assert shown[1].split() == ["no", "labels"]
    assert shown[3].split() == ["individual/base", "90.1", "±2.0", "89.1", "±2.0", "–"]
    assert "photos has no labels, so no accuracies; the predictions are in" in shown
    assert "  memory://a-table/predictions/dataset=0123" in shown
    assert "  dawin results digits --samples -o p.parquet" in shown


def test_a_run_without_any_labels_has_no_table_but_the_place_of_its_predictions():
    """All data sets are named."""
    lines, _ = printed(SMALL.clear(), datasets={"photos": "0123", "more": "4567"}, samples_command="dawin …")
    assert lines[0] == "photos, more have no labels, so no accuracies; the predictions are in"
    assert len(lines) == 4


def test_several_experiments_have_a_table_each_below_their_names():
    """As `dawin results` without a name prints them."""
    rows = pl.concat([SMALL, SMALL.with_columns(experiment=pl.lit("letters"))])
    lines = [plain(line) for line in printed(rows)[0]]
    assert lines[0] == "digits"
    assert lines[lines.index("letters") - 1] == ""
