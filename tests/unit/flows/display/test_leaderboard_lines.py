"""The leaderboard in a terminal: as wide as the terminal, with the mark of methods that use labels."""

import io
import re

import polars as pl
import pytest
from board_rows import METHODS, boards_from, rows_of, run_rows
from rich.console import Console

from flows.display.leaderboard_lines import print_boards


def printed(*runs, width=200, all_rows=False):
    """The lines of the leaderboard of some runs."""
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=False, color_system=None, markup=False, highlight=False)
    print_boards(console, boards_from(rows_of(*runs)) if runs else [], all_rows=all_rows)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_of_the_table_is_wider_than_the_terminal(width):
    """Means that do not fit are left out, and a line says so."""
    groups = {f"data-set-{i}": f"group-{i % 4}" for i in range(12)}
    lines = printed(run_rows(0, groups=groups), run_rows(1, days=1, groups=groups), width=width)
    assert max(len(line) for line in lines[:-2]) <= width
    assert re.search(r"a wider terminal shows \d more mean", lines[-1])


def test_the_newest_checkpoint_comes_first_and_its_name_once():
    """Each method of it has a row, with the difference to the base."""
    lines = printed(run_rows(0), run_rows(1, days=9))
    assert lines[0] == "digits"
    assert lines[3].split()[:5] == ["2026-11-10", "08:15", "step-1.pt", "new", "individual/base"]
    assert sum("step-1.pt" in line for line in lines) == 1
    dawin = next(line for line in lines if "dawin/samples" in line)
    assert dawin.split() == ["dawin/samples", "+10.5", "70.5*", "80.5*", "65.5*"]


def test_a_method_that_uses_labels_is_marked_and_never_the_best():
    """The mark stands beside its name, and the highest value of the others has the star."""
    oracle = next(line for line in printed(run_rows(0)) if "oracle" in line)
    assert "oracle/samples (labels)" in oracle
    assert "*" not in oracle


def test_the_short_form_counts_what_it_leaves_out():
    """Ten runs; `--all` prints every run and method."""
    runs = [
        run_rows(i, days=i, methods={**METHODS, **{f"wise-ft/0.{k}0": 7.0 for k in range(1, 5)}}) for i in range(12)
    ]
    short, whole = printed(*runs), printed(*runs, all_rows=True)
    assert "--all shows 2 more runs and 4 more methods" in short[-1]
    assert sum("step-" in line for line in short) == 10
    assert sum("step-" in line for line in whole) == 12
    assert sum("wise-ft/0.20" in line for line in whole) == 12


def test_results_without_labels_are_a_sentence():
    """No table without accuracies."""
    assert printed() == ["no labels, so no accuracies; the predictions are in the store"]


def test_gains_against_another_base_model_are_marked():
    """A line explains the mark; where all runs have one base, neither is there."""
    weights = pl.col("weights").list.eval(pl.element().replace("w-base", "w-other"))
    lines = printed(run_rows(0).with_columns(weights), run_rows(1, days=1))
    assert sum("†" in line for line in lines) == 4 + 1  # the gains of four methods, and the explanation
    assert "†: against another base model than that of the newest run" in lines
    assert "†" not in "".join(printed(run_rows(0), run_rows(1, days=1)))
