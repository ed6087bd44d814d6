"""A method that needs labels leaves out a data set without them: a note says so, and the other methods run there."""

import asyncio
import re

import pytest
import runs
from left_out import unlabelled

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.written_plan import read_plan, write_plan
from flows.run_experiment import run_experiment
from storage.store import Store
from tasks.errors import DatasetError

NOTE = "data set loose: no labels, so oracle/samples is left out there"


def test_the_oracle_leaves_out_a_data_set_without_labels(tmp_path):
    """Its cells, and those alone, are missing there; the note is in the plan, and in the plan that children read."""
    store = Store(str(tmp_path / "store"))
    plan = checked_plan(load_experiment(unlabelled(tmp_path)), store)
    methods = {
        name: [cell.method for cell in plan.cells if cell.predictions.dataset.name == name] for name in ("one", "loose")
    }
    assert methods["one"] == [
        "individual/base",
        "individual/tuned",
        "oracle/samples",
        "dawin/clusters-2",
        "dawin/samples",
    ]
    assert methods["loose"] == [name for name in methods["one"] if name != "oracle/samples"]
    assert NOTE in plan.notes
    assert read_plan(write_plan(plan), store).notes == plan.notes


def test_a_note_says_which_methods_are_left_out(tmp_path, capsys):
    """`dawin plan` shows it, exits with status 0, and lists the steps of the other methods."""
    assert main(["plan", unlabelled(tmp_path), "--store", str(tmp_path / "store")]) == 0
    shown = capsys.readouterr().out
    assert f"note: {NOTE}\n" in shown
    assert re.search(r"\bloose\b", shown.partition("note:")[0])


def test_an_experiment_of_which_nothing_remains_is_refused(tmp_path):
    """With the oracle alone and no labels anywhere, no row would be in the results."""
    settings = ("datasets.0.images=loose", "merge.granularity=[]", "baselines=[oracle]")
    file = unlabelled(tmp_path)
    experiment = load_experiment(file, (*settings[1:], f"datasets=[{{name: loose, images: {tmp_path}/loose}}]"))
    with pytest.raises(DatasetError, match=f"baselines: nothing remains to evaluate: {NOTE}"):
        checked_plan(experiment, Store(str(tmp_path / "store")))


def test_a_soup_that_chooses_by_labelled_images_runs_on_others(tmp_path):
    """Greedy soup needs the labels of its held-out data set only, so the data set without labels has its cell."""
    file = unlabelled(tmp_path)
    experiment = load_experiment(file, ("baselines=[greedy-soup]", "methods.greedy-soup.held_out=one"))
    plan = checked_plan(experiment, Store(str(tmp_path / "store")))
    soups = [cell.predictions.dataset.name for cell in plan.cells if cell.method == "greedy-soup"]
    assert soups == ["one", "loose"]
    assert not [note for note in plan.notes if "left out" in note]


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_a_run_has_no_row_where_a_method_is_left_out(tmp_path, caplog):
    """The run warns once with the note, completes, and has rows of the oracle on the labelled data set."""
    file, store = unlabelled(tmp_path), str(tmp_path / "store")
    asyncio.run(run_experiment(load_experiment(file), store))
    rows = runs.run(file, store)
    assert caplog.messages.count(NOTE) >= 1
    on = rows.select("method", "dataset").unique().rows()
    assert ("oracle/samples", "one") in on
    assert ("oracle/samples", "loose") not in on
    assert checked_plan(load_experiment(file), Store(store)).is_done
