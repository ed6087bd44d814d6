"""Stores and experiments without logits: everything that needs none works, and the rest says what runs again."""

import dataclasses
import logging
import math

import pytest
import runs
import tiny

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.plan import MERGED
from flows.running.local_calibration import calibrate_here
from storage import scan
from storage.manifests import committed, read_manifest
from storage.store import Store
from storage.stripping import strip_logits
from tasks.errors import DatasetError

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]

SAMPLES = 30
MARGIN = ("merge.expertise=margin", "baselines=[individual]", "merge.granularity=[samples]")
NONE = ("logits=none", "baselines=[individual, oracle]")


def strip_all(url):
    """Remove the logits from every object of outputs."""
    store = Store(url)
    freed = [strip_logits(store, key) for key in list(committed(store, "outputs"))]
    assert len(freed) == 4
    assert min(freed) > 0


def widths(url):
    """Return the widths of the logits in a store, those without being 0."""
    store = Store(url)
    return {read_manifest(store, key).widths["logits"] for key in committed(store, "outputs")}


def planned(file, store, *settings):
    return checked_plan(load_experiment(file, settings), Store(store), remember=False)


def printed(capsys, *words, status=0):
    """Return what a command prints, together with its log lines."""
    capsys.readouterr()
    assert main([*words]) == status
    return "".join(capsys.readouterr())


def test_a_store_pruned_of_logits_serves_everything_that_was_computed(copied, tmp_path, capsys):
    """Results, comparison, report, leaderboard and plan work; a rerun has nothing to do and runs no model."""
    _, file, store, rows = copied
    strip_all(store)
    before = runs.written(store)
    assert runs.table(runs.run(file, store)) == runs.table(rows)
    plan = planned(file, store)
    assert plan.is_done
    assert plan.forward_passes.needed == 0
    assert not any("logits" in note for note in plan.notes)
    assert "dawin/samples" in printed(capsys, "results", "tiny", "--store", store)
    assert "dawin/samples" in printed(capsys, "compare", "tiny", "--store", store)
    samples = str(tmp_path / "samples.parquet")
    printed(capsys, "results", "tiny", "--store", store, "--samples", "-o", samples)
    for words in (["report", "tiny"], ["leaderboard"]):
        printed(capsys, *words, "--store", store, "-o", str(tmp_path / f"{words[0]}.html"))
    assert {k: v for k, v in runs.written(store).items() if k in before} == before
    assert widths(store) == {0}
    assert scan("outputs", store=store).collect()["logits"].null_count() == 4 * SAMPLES


def test_a_measure_that_needs_logits_runs_the_models_again_where_they_are_missing(copied, capsys, caplog):
    """The plan counts those outputs as missing and says why; the run stores the logits again, without any damage."""
    _, file, store, _ = copied
    strip_all(store)
    out = printed(capsys, "plan", file, "--store", store, *(word for s in MARGIN for word in ("--set", s)))
    for name in ("one", "two"):
        assert (
            f"outputs of base and tuned on {name} are stored without logits; expertise margin needs them: 60 passes"
            in out.replace("\n", " ")
        )
    steps = {(s.stage, s.dataset, s.label): s.missing for s in planned(file, store, *MARGIN).steps()}
    assert [steps["extract", "one", model] for model in ("base", "tuned")] == [SAMPLES, SAMPLES]
    assert steps["evaluate", "one", MERGED] == SAMPLES
    with caplog.at_level(logging.WARNING):
        rows = runs.run(file, store, *MARGIN)
    assert "dawin/samples" in set(rows["method"])
    assert not [r for r in caplog.records if "damaged" in r.getMessage()]
    assert widths(store) == {tiny.CLASSES}
    assert planned(file, store, *MARGIN).is_done
    strip_all(store)
    assert planned(file, store, *MARGIN).is_done  # the coefficients are stored


def test_only_outputs_without_logits_are_extracted_again(copied):
    """One stripped object of four costs its own samples; an experiment that needs no logits costs nothing."""
    _, file, store, _ = copied
    (key, *_) = committed(Store(store), "outputs")
    strip_logits(Store(store), key)
    extracted = [s.missing for s in planned(file, store, *MARGIN).steps() if s.stage == "extract"]
    assert sorted(extracted) == [0, 0, 0, SAMPLES]
    (note,) = [note for note in planned(file, store, *MARGIN).notes if "logits" in note]
    assert note.endswith("expertise margin needs them: 30 passes again")
    entropy = planned(file, store, "merge.granularity=[bins]", "baselines=[individual]")
    assert not any(s.missing for s in entropy.steps() if s.stage == "extract")


def test_an_experiment_without_logits_has_the_same_results_and_shares_its_outputs(example, tmp_path):
    """Outputs with and without logits are one table, and only a method that needs logits computes them again."""
    _, file, full, rows = example
    store = str(tmp_path / "store")
    mine = runs.table(runs.run(file, store, *NONE))
    assert widths(store) == {0}
    theirs = runs.table(rows)
    for row, value in mine.items():
        assert value == theirs[row] or (math.isnan(value) and math.isnan(theirs[row]))
    assert {m for m, *_ in mine} >= {"dawin/clusters-2", "dawin/samples", "oracle/samples", "individual/base"}
    with_logits = planned(file, store, *NONE[1:])
    assert with_logits.forward_passes.needed == 0
    assert planned(file, full, *NONE).forward_passes.needed == 0
    ensembles = planned(file, store)
    assert {s.missing for s in ensembles.steps() if s.stage == "extract"} == {SAMPLES}
    assert any("output ensembles need them: 60 passes again" in note for note in ensembles.notes)
    with pytest.raises(DatasetError, match="no optimum"):  # the labels of these images are random
        calibrate_here(load_experiment(file, NONE), "one", store)
    assert widths(store) == {0, tiny.CLASSES}  # of the data set that the calibration needed


def test_what_needs_logits_is_refused_where_none_are_kept(tmp_path, capsys):
    """One message names every method and measure, the setting and the remedy; exit status 2."""
    file = tiny.experiment(tmp_path, samples=6, logits="none", merge={"expertise": "margin"}, batch_size=0)
    out = printed(capsys, "plan", file, "--store", str(tmp_path / "store"), status=2).replace("\n", " ")
    for name in ("output-ensemble", "classifier-selection"):
        assert f"baselines: {name} needs the models' logits, which logits: none does not keep; set logits: fp32" in out
    assert "merge.expertise: margin needs the models' logits, which logits: none does not keep" in out
    assert "or expertise: entropy" in out
    assert "batch_size: wanted a whole number of at least 1, got 0" in out
    assert not (tmp_path / "store").exists()


def test_a_plan_that_keeps_all_logits_asks_for_those_that_are_missing(copied):
    """A calibration reads the logits of every sample, whatever the methods of the experiment need."""
    _, file, store, _ = copied
    strip_all(store)
    plan = planned(file, store, "merge.granularity=[]", "baselines=[individual]")
    assert plan.forward_passes.needed == 0
    assert dataclasses.replace(plan, all_logits=True).forward_passes.needed == 4 * SAMPLES
