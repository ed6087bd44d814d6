"""Stores of the former schema: everything that can be kept is kept, and each command names the rest in one line."""

import json
import shutil
from itertools import chain

import polars as pl
import pytest
import runs
import tiny
from every_kind import every_kind
from former_store import RUN, former_place, make_former
from log_lines import heard

from flows.cli import main
from flows.display.planned import planned_stages
from flows.display.stages import Stages
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage import keys, scan
from storage.errors import ObjectOutdated
from storage.manifests import read_manifest
from storage.store import Store
from tasks.evidence.cost import Costs
from tasks.progress import listening
from tasks.streaming.inference import Inference

pytestmark = [pytest.mark.xdist_group("former"), pytest.mark.usefixtures("prefect_api")]

KEPT = ["coefficients", "mixtures", "components", "bins", "samples", "heads", "made-models", "checkpoints"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, prefect_api):
    """Return the folder, the file and the rows of an experiment with every kind of object, which was run once."""
    folder = tmp_path_factory.mktemp("former")
    file = every_kind(
        folder,
        distance=0.05,
        merge={"granularity": ["clusters", "bins", "samples"], "clusters": 2, "bins": 3, "expertise": "loss-merged"},
        baselines=["individual", "output-ensemble", "oracle", "ties/0.30", "random/uniform"],
    )
    return folder, file, runs.run(file, folder / "store")


@pytest.fixture
def former(finished, tmp_path):
    """Return the file, the rows of the run, and a copy of its store in the former schema."""
    folder, file, rows = finished
    shutil.copytree(folder / "store", tmp_path / "store")
    store = Store(str(tmp_path / "store"))
    make_former(planned(file, store))
    return file, rows, store


@pytest.fixture
def passes(monkeypatch):
    """Return a list that gets the number of images of each forward pass."""
    found, run = [], Inference._run

    def counted(self, module, images, coefficients):
        found.append(len(images))
        return run(self, module, images, coefficients)

    monkeypatch.setattr(Inference, "_run", counted)
    return found


def planned(file, store):
    return checked_plan(load_experiment(str(file)), store)


def asked(capsys, *words):
    """Run a command; return its status, its output, and the lines on standard error."""
    capsys.readouterr()
    status = main(list(words))
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    return status, shown.out, shown.err.splitlines()


def test_a_run_keeps_what_can_be_kept_and_gives_the_same_results(former, passes):
    """Outputs are upgraded without a forward pass, fits and made models stay, and every number comes out equal."""
    file, rows, store = former
    plan, before = planned(file, store), runs.written(store.url.removeprefix("file://"))
    merges = sum(dataset.samples * len(plan.merges(dataset)) for dataset in plan.datasets)
    outputs = [*chain(*plan.outputs), *chain(*map(plan.judges, plan.datasets))]
    assert plan.forward_passes == (merges, 12 * len(outputs))
    again = runs.run(file, store.url)
    assert sum(passes) == merges
    assert runs.table(again) == pytest.approx(runs.table(rows), abs=1e-12, rel=1e-12)
    assert again.drop("seconds", "images_per_second", "device", "created_at").equals(
        rows.drop("seconds", "images_per_second", "device", "created_at")
    )
    after = runs.written(store.url.removeprefix("file://"))
    assert {key.split("/")[0] for key in after.keys() - before.keys()} == {"outputs", "predictions", "results"}
    assert all(after[key] == before[key] for key in before)
    for table in KEPT:
        assert {key for key in after if key.startswith(table)} == {key for key in before if key.startswith(table)}
    assert planned(file, store).is_done
    for reference in outputs:
        assert list(store.keys(former_place(reference)))  # a former object stays, for those who read it otherwise
        manifests = [read_manifest(store, keys.samples(reference.prefix, span)) for span in reference.dataset.spans]
        assert [manifest.measured for manifest in manifests] == [{}]


def test_upgraded_outputs_have_no_seconds_and_merges_have_their_own(former):
    """The time of a forward pass that nobody measured is unknown, with everything that needs it."""
    file, _, store = former
    rows = runs.run(file, store.url)
    unknown = rows.filter(pl.col("seconds").is_null())["method"].unique().to_list()
    assert {"individual/base", "dawin/clusters-2", "output-ensemble/uniform"} <= set(unknown)
    assert {"ties/0.30", "random/uniform"}.isdisjoint(unknown)
    (cell,) = [c for c in planned(file, store).on("one").cells if c.method == "ties/0.30"]
    assert Costs(store).measured(cell).seconds > 0


def test_a_plan_shows_upgrades_as_what_they_are(former, capsys):
    """They have lines of their own, and are among the passes that are reused, in text and in JSON."""
    file, _, store = former
    status, shown, _ = asked(capsys, "plan", file, "--store", store.url)
    assert status == 0
    lines = [line.split() for line in shown.splitlines() if line.strip().startswith(("upgrade", "extract"))]
    assert [line[:3] for line in lines[:3]] == [
        ["upgrade", "one", name] for name in ("base", "tuned", "weight-average")
    ]
    assert all("no forward pass" in " ".join(line) for line in lines if line[0] == "upgrade")
    assert all(line[3:] == ["skipped,", "in", "the", "store"] for line in lines if line[0] == "extract")
    document = json.loads(asked(capsys, "plan", file, "--store", store.url, "--json")[1])
    upgrades = [step for step in document["steps"] if step["stage"] == "upgrade"]
    assert [step["missing"] for step in upgrades] == [12] * 6
    assert document["forward_passes"]["reused"] == 72
    assert document["is_done"] is False


def test_the_upgrade_is_a_stage_of_its_own_that_does_as_much_as_planned(former):
    """Its bar ends at its whole length, before the other stages."""
    file, _, store = former
    plan = planned(file, store)
    announced = {s.name: (s.planned, s.unit) for s in planned_stages(plan, plan.steps()) if s.planned}
    stages = Stages()
    with listening(stages):
        runs.run(file, store.url)
    assert announced["upgrade"] == (72, "predictions")
    assert {stage.name: (stage.done, stage.unit) for stage in stages.all} == announced
    assert next(stage.name for stage in stages.all) == "upgrade"


def test_a_run_logs_its_upgrade_in_one_line_for_each_data_set(former):
    """The line counts the predictions that no forward pass was needed for; another run has nothing to upgrade."""
    file, _, store = former
    with heard("dawin.upgrading") as lines:
        for _ in range(2):
            runs.run(file, store.url)
    line = "upgraded: outputs of an earlier dawin on {}, 36 predictions, without a forward pass"
    assert lines == [line.format(name) for name in ("one", "two")]


OUTDATED = f"experiment=tiny/run_id={RUN}/results.parquet: results version 2 of an earlier dawin, wanted 3; `dawin run"


@pytest.mark.parametrize(
    "words", [["results"], ["results", "tiny"], ["results", "--run", RUN], ["results", "--json"], ["leaderboard"]]
)
def test_former_results_are_refused_in_one_line_that_names_their_run(former, capsys, words):
    """The line says which run, in which version, and which command writes it again."""
    _, _, store = former
    status, shown, lines = asked(capsys, *words, "--store", store.url)
    assert (status, shown, len(lines)) == (2, "", 1)
    assert OUTDATED in lines[0]


def left_out(caplog):
    """Return the lines of the log about the former run, and forget them."""
    lines = [
        r.getMessage() for r in caplog.records if r.getMessage().startswith("left out") and OUTDATED in r.getMessage()
    ]
    caplog.clear()
    return lines


def test_former_results_do_not_hide_those_of_others(former, capsys, caplog, tmp_path):
    """Commands leave former results out with one line, and go on with all the others."""
    _, _, store = former
    other = tiny.experiment(tmp_path / "other", samples=6, name="other", baselines=["individual"])
    runs.run(other, store.url, "merge.granularity=[samples]")
    caplog.clear()
    for words in (["results", "--format", "csv"], ["leaderboard"]):
        status, shown, _ = asked(capsys, *words, "--store", store.url)
        assert status == 0
        assert "other" in shown
        assert "tiny" not in shown
        assert len(left_out(caplog)) == 1
    file = tmp_path / "samples.csv"
    assert asked(capsys, "results", "--samples", "-o", str(file), "--store", store.url)[0] == 0
    assert len(left_out(caplog)) == 1
    assert "tiny" not in file.read_text()


def test_the_list_of_a_store_marks_former_results(former, capsys):
    """The run is listed with its methods, a mark, and a line that says what the mark means."""
    file, _, store = former
    status, shown, _ = asked(capsys, "store", "list", "--store", store.url)
    assert status == 0
    assert f"{RUN} * †" in shown
    assert "†: results of an earlier dawin, which no command shows; `dawin run EXPERIMENT` writes them again" in shown
    assert asked(capsys, "run", file, "--store", store.url)[0] == 0
    document = json.loads(asked(capsys, "store", "list", "--store", store.url, "--json")[1])
    then, now = document["experiments"][0]["runs"]
    assert (then["is_outdated"], then["is_latest"]) == (True, False)
    assert (now["is_outdated"], now["is_latest"]) == (False, True)
    assert (then["methods"], then["datasets"]) == (now["methods"], now["datasets"])


def test_a_scan_reads_what_was_written_again_and_leaves_out_the_rest(former, caplog):
    """Before the run nothing of a changed table can be read; after it, the new objects can, with one line of log."""
    file, rows, store = former
    for table in ("results", "outputs", "predictions"):
        with pytest.raises(ObjectOutdated, match=f"{table} version [12] of an earlier dawin"):
            scan(table, store=store)
    assert scan("coefficients", store=store).collect().height > 0
    runs.run(file, store.url)
    for table in ("results", "outputs", "predictions"):
        caplog.clear()
        found = scan(table, store=store).collect()
        assert found.height == (rows.height if table == "results" else found.unique(["id", "sample_index"]).height)
        assert len([r for r in caplog.records if "of an earlier dawin" in r.getMessage()]) == 1


def test_rounded_logits_are_extracted_again(finished, tmp_path, passes):
    """Of logits in float16 nothing is upgraded: the models run once more, and the results are equal."""
    _, file, _ = finished
    store = Store(str(tmp_path / "store"))
    settings = ["logits=fp16", "merge.granularity=[samples]", "baselines=[individual]", "merge.expertise=entropy"]
    rows = runs.run(file, store.url, *settings)
    needed = sum(passes)
    make_former(checked_plan(load_experiment(str(file), settings), store))
    plan = checked_plan(load_experiment(str(file), settings), store)
    assert not [step for step in plan.steps() if step.stage == "upgrade"]
    assert plan.forward_passes.needed == needed
    passes.clear()
    assert runs.table(runs.run(file, store.url, *settings)) == pytest.approx(runs.table(rows), abs=1e-12, rel=1e-12)
    assert sum(passes) == needed
