"""The runs that `dawin store prune` removes: by number, by age, and by the pointer to the latest run."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flows.errors import ExperimentError
from flows.upkeep.chosen_runs import RunChoice
from flows.upkeep.kept import Run
from storage.manifests import Manifest

DAY = 24 * 3600.0
NOW = 1_800_000_000.0
MANIFEST = Manifest(
    key="k", table="results", version=3, rows=1, bytes=1, sha256="0" * 64, identity={}, created_at="", run=None
)


def run(name, days, experiment="digits", written=None):
    """Return a run whose results are some days old."""
    created = datetime.fromtimestamp(NOW - days * DAY, UTC).isoformat(timespec="seconds")
    when = NOW - (days if written is None else written) * DAY
    return Run(experiment, name, when, replace(MANIFEST, created_at=created))


RUNS = [run("old", 40), run("middle", 20), run("new", 1), run("only", 90, "letters")]
LATEST = {"digits": "new", "letters": "only"}


@pytest.mark.parametrize(
    ("choice", "gone"),
    [
        (RunChoice(), set()),
        (RunChoice(keep_last=1), {"old", "middle"}),
        (RunChoice(keep_last=2), {"old"}),
        (RunChoice(keep_last=0), {"old", "middle", "new", "only"}),
        (RunChoice(older_than=30), {"old"}),
        (RunChoice(older_than=0.5), {"old", "middle"}),
        (RunChoice(keep_last=1, older_than=30), {"old"}),
        (RunChoice(keep_last=0, older_than=30), {"old", "only"}),
        (RunChoice(keep_last=0, experiment="letters"), {"only"}),
    ],
)
def test_number_and_age_have_both_to_hold(choice, gone):
    """The latest run of an experiment stays unless none is to be kept."""
    assert {one.run_id for one in choice.chosen(RUNS, LATEST, NOW)} == gone


def test_the_run_that_commands_show_counts_as_the_newest():
    """A rerun of old settings moves the pointer, not the time of the results."""
    gone = RunChoice(keep_last=1).chosen(RUNS, {"digits": "old", "letters": "only"}, NOW)
    assert {one.run_id for one in gone} == {"middle", "new"}


def test_files_that_were_written_lately_are_young_whatever_their_run_says():
    """A clock of another machine, or an unreadable time, makes no run older than its file."""
    wrong = run("wrong", 400, written=1)
    unreadable = Run("digits", "unreadable", NOW - DAY, replace(MANIFEST, created_at="yesterday"))
    silent = Run("digits", "silent", NOW - 60 * DAY, None)
    gone = RunChoice(keep_last=0, older_than=30).chosen([wrong, unreadable, silent], {}, NOW)
    assert [one.run_id for one in gone] == ["silent"]


def test_an_unknown_experiment_is_refused_with_those_that_exist():
    """The message lists the experiments with results."""
    with pytest.raises(ExperimentError, match="--experiment letter: no results; did you mean letters"):
        RunChoice(keep_last=1, experiment="letter").chosen(RUNS, LATEST, NOW)
