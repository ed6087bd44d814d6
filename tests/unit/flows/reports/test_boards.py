"""The leaderboard by experiment: order, what is new, what compares, and the base as the reference."""

import polars as pl
import pytest
from board_rows import METHODS, boards_from, rows_of, run_rows

from flows.errors import ExperimentError
from flows.reports.boards import boards
from storage.store import Store


def new(*runs):
    """The numbers of the runs that are new."""
    (board,) = boards_from(rows_of(*runs))
    return [int(run.run_id[1:]) for run in board.runs if run.is_new]


def test_runs_are_in_order_of_time_whatever_the_order_of_rows():
    """The newest run is the last one."""
    rows = rows_of(run_rows(2, days=9), run_rows(0), run_rows(1, days=3))
    (board,) = boards_from(rows)
    assert [run.run_id for run in board.runs] == ["r0000", "r0001", "r0002"]
    assert board.newest.checkpoint == "step-2.pt"
    assert boards_from(rows.sample(fraction=1.0, shuffle=True, seed=1).sort("method"))[0].newest == board.newest


def test_experiments_have_leaderboards_of_their_own():
    """Sorted by name; each has its own newest run."""
    found = boards_from(rows_of(run_rows(0, experiment="b"), run_rows(1, experiment="a"), run_rows(2, experiment="b")))
    assert [(board.experiment, board.newest.run_id) for board in found] == [("a", "r0001"), ("b", "r0002")]


def test_a_checkpoint_is_new_for_a_week_before_the_newest_run():
    """Seven days are new, eight are not; what the experiment began with never is."""
    assert new(run_rows(0), run_rows(1, days=12), run_rows(2, days=13), run_rows(3, days=20)) == [2, 3]
    assert new(run_rows(0)) == []
    assert new(run_rows(0), run_rows(1)) == []  # both began the experiment


def test_a_checkpoint_that_ran_before_is_not_new():
    """Another run of the same weights, under another name and other settings, is no new checkpoint."""
    again = run_rows(2, days=30, weights="w-1", checkpoint="copy.pt")
    assert new(run_rows(0), run_rows(1, days=1), again) == []
    assert new(run_rows(0), run_rows(1, days=25), again) == [1, 2]


def test_gains_are_against_the_base_of_the_same_run():
    """The base is the first model by itself; its own gain is zero."""
    (board,) = boards_from(rows_of(run_rows(0), run_rows(3, days=1)))
    place = board.places[0]
    assert board.newest.base == "individual/base"
    for method, points in METHODS.items():
        assert board.newest.gain(method, place) == pytest.approx(points + 3 if points else 0.0)
    assert board.newest.gain("ties/0.3", place) is None


def test_the_best_method_uses_no_labels():
    """The oracle is higher, and is never the best."""
    (board,) = boards_from(run_rows(0))
    assert board.with_labels == {"oracle/samples"}
    assert {board.best(board.newest, place) for place in board.places} == {"dawin/samples"}
    assert board.best(board.newest, board.places[0], ["oracle/samples"]) is None


@pytest.mark.parametrize(
    ("groups", "titles"),
    [
        ({"clean": "id", "noisy": "ood", "rotated": "ood"}, ["mean of all 3", "clean", "mean ood (2)"]),
        ({"clean": "all-of-it"}, ["clean"]),
        ({"one": "x", "two": "x"}, ["mean x (2)"]),
    ],
)
def test_places_are_all_data_sets_and_each_group(groups, titles):
    """A single group is all data sets, and a group of one data set bears its name."""
    (board,) = boards_from(run_rows(0, groups=groups))
    assert [place.title for place in board.places] == titles
    assert all(board.newest.of("dawin/samples", place) for place in board.places)


def test_runs_on_other_images_or_other_data_sets_do_not_compare():
    """Neither other images under one name, nor a mean over fewer data sets; what is alike still compares."""
    fewer = {"clean": "id", "noisy": "ood"}
    rows = rows_of(
        run_rows(0, digests={"rotated": "d-other"}),
        run_rows(1, days=1, groups=fewer),
        run_rows(2, days=2),
        run_rows(3, days=3),
    )
    (board,) = boards_from(rows)
    everything, clean, shifted = board.places
    assert [run.run_id for run in board.comparable(everything)] == ["r0002", "r0003"]
    assert [run.run_id for run in board.comparable(shifted)] == ["r0002", "r0003"]
    assert [run.run_id for run in board.comparable(clean)] == ["r0000", "r0001", "r0002", "r0003"]


def test_methods_of_earlier_runs_stay_known():
    """Those of the newest run come first."""
    (board,) = boards_from(rows_of(run_rows(0), run_rows(1, days=1, methods={"individual/base": 0.0, "ties/0.3": 1.0})))
    assert board.methods[:2] == ("individual/base", "ties/0.3")
    assert set(board.methods) == {*METHODS, "ties/0.3"}


def test_no_rows_are_no_leaderboards():
    """Results without labels have no accuracies."""
    assert boards_from(run_rows(0).filter(pl.lit(False))) == []


def test_a_store_without_results_is_refused(memory):
    """The message says how to make some."""
    with pytest.raises(ExperimentError, match="no results yet; `dawin run"):
        boards(Store(memory))


def test_a_board_of_the_newest_runs_knows_all_of_them():
    """What is new, the methods and the number of runs come from all runs, also those without rows on the board."""
    again = run_rows(3, days=30, weights="w-1", checkpoint="copy.pt")
    rows = rows_of(run_rows(0), run_rows(1, days=1, methods=METHODS | {"ties/0.3": 1.0}), run_rows(2, days=29), again)
    (whole,), (short,) = boards_from(rows), boards_from(rows, newest=2)
    assert [run.run_id for run in short.runs] == ["r0002", "r0003"]
    assert short.total == whole.total == 4
    assert short.methods == whole.methods
    assert short.runs == whole.runs[2:]
    assert [run.is_new for run in short.runs] == [True, False]


def test_a_run_with_another_base_model_is_known():
    """Its gains are against another model than those of the newest run, whatever the base is called."""
    rows = rows_of(run_rows(0), run_rows(1, days=1))
    changed = pl.when(pl.col("run_id") == "r0000").then(
        pl.col("weights").list.eval(pl.element().replace("w-base", "w-x"))
    )
    (board,) = boards_from(rows.with_columns(weights=changed.otherwise("weights")))
    assert [board.has_other_base(run) for run in board.runs] == [True, False]
