"""A run that was killed at any stage, or at any moment, continues from the objects that it has committed."""

import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import tiny

from benchmarks.kills import trials

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.usefixtures("prefect_api"), pytest.mark.slow]

KILL_AT = Path(__file__).parents[1] / "support" / "kill_at.py"
STAGES = [
    ("outputs", "object", 2),
    ("coefficients", "manifest", 2),
    ("components", "object", 1),
    ("mixtures", "object", 1),
    ("predictions", "object", 5),
    ("results", "object", 1),
]


def run(file, store, log, stage=("nothing", "object", 1)):
    """Run an experiment, kill it after the given write, and return the ended process."""
    command = [sys.executable, str(KILL_AT), str(log), *map(str, stage), "--", "run", file, "--store", str(store)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def results(store):
    """Return all results of a store, in one order."""
    frame = pl.scan_parquet(f"{store}/results/**/*.parquet", hive_partitioning=True).collect()
    return frame.select("run_id", "method", "dataset", "metric", "value", "samples_id").sort(pl.all())


def test_a_run_killed_at_every_stage_completes_and_commits_every_object_once(tmp_path):
    """It is killed before and after each kind of commit, and its results equal those of an undisturbed run."""
    file, store, log = tiny.experiment(tmp_path / "example"), tmp_path / "store", tmp_path / "log"
    for stage in STAGES:
        assert run(file, store, log, stage).returncode == -9, stage
        assert not list(store.glob("results/**/latest.json"))
    finished = run(file, store, log)
    assert finished.returncode == 0, finished.stderr
    commits = log.read_text().splitlines()
    assert len(commits) == len(set(commits))
    assert len(commits) == len([path for path in store.glob("**/*.parquet") if path.parts[-3] != "catalogue"])
    undisturbed = tmp_path / "undisturbed"
    assert run(file, undisturbed, tmp_path / "log2").returncode == 0
    assert results(store).equals(results(undisturbed))


def test_two_concurrent_runs_complete_and_write_every_object_once(tmp_path):
    """Both print the same table, and the store holds the outputs and the results of one run."""
    file, store = tiny.experiment(tmp_path / "example"), tmp_path / "store"
    command = [sys.executable, "-m", "flows.cli", "run", file, "--store", str(store)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(process.communicate(timeout=240), process.returncode) for process in both]
    assert [status for _, status in ended] == [0, 0], ended
    tables = [output[0].split("\n\n")[-2] for output, _ in ended]
    assert tables[0] == tables[1]
    assert len(results(store)["run_id"].unique()) == 1
    assert pl.scan_parquet(f"{store}/outputs/**/*.parquet", hive_partitioning=True).collect().height == 4 * 30


@pytest.mark.parametrize(("place", "seed"), [("local", 1), ("s3", 2)])
def test_runs_killed_at_random_moments_complete_and_compute_nothing_twice(tmp_path, request, place, seed):
    """`benchmarks.kills` with few kills finds no fault: equal results, sound objects, manifests as before the kill."""
    folder = request.getfixturevalue("s3") if place == "s3" else str(tmp_path / "stores")
    file = Path(tiny.experiment(tmp_path / "example"))
    finished = list(trials(folder, file, 2, {}, random.Random(seed)))
    assert [fault for trial in finished for fault in trial.faults] == []
    assert sum(trial.counts["killed"] for trial in finished) == 2


def test_predictions_killed_at_two_stages_are_completed_and_every_object_is_committed_once(tmp_path):
    """SIGKILL before the first outputs and before the first predictions are committed; the last command writes all."""
    file, store, log = tiny.experiment(tmp_path / "example"), tmp_path / "store", tmp_path / "log"
    tiny.image_folder(tmp_path / "new", 20, 9)
    assert run(file, store, tmp_path / "fitted").returncode == 0
    out = tmp_path / "out.parquet"
    words = ["predict", file, "--method", "dawin/clusters-2", "--dataset", "one", "--images", str(tmp_path / "new")]
    words += ["-o", str(out), "--store", str(store), "-q"]
    for stage in (("outputs", "object", 1), ("predictions", "object", 1), ("nothing", "object", 1)):
        command = [sys.executable, str(KILL_AT), str(log), *map(str, stage), "--", *words]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert ended.returncode == (0 if stage[0] == "nothing" else -9), ended.stderr
        assert out.exists() == (stage[0] == "nothing")
    commits = [key for key in log.read_text().splitlines() if key.endswith(".manifest.json")]
    assert len(commits) == len(set(commits)) == 6  # names, two models' outputs, coefficients, clusters, predictions
    assert pl.read_parquet(out).height == 20
