"""The life of a pool, in order: a new checkpoint; processes that die; ten new checkpoints while the server is down."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny
from browser import CHROMIUM, page
from pools import (
    MINUTES,
    add_checkpoint,
    announce,
    ask,
    command,
    completed,
    deployment,
    device_of,
    held,
    in_process,
    kill,
    kill_worker,
    manifests,
    numbers,
    occupied,
    process_of,
    refused,
    running,
    runs,
    upload,
    wait_for,
)

pytestmark = [pytest.mark.workers, pytest.mark.xdist_group("workers")]


def equal(found, wanted):
    for key, value in wanted.items():
        assert found[key] == pytest.approx(value, abs=1e-9), key


def test_workers_evaluate_a_new_checkpoint_once(pool, place, tmp_path):
    """Two events for one upload start one parent; both workers share a data set; results equal those of one process."""
    folder, bucket = place
    uri = add_checkpoint(bucket, folder, "7.pt", 7)
    began = time.time()
    announce(pool, uri)
    announce(pool, uri)
    wait_for("an extraction", lambda: runs(pool, "extract-outputs", "RUNNING"))
    assert time.time() - began < 60, "within a minute its extraction runs"
    wait_for("first checkpoint", lambda: completed(pool, "checkpoint:7.pt"))
    wait_for("both looks", lambda: len(runs(pool, "watch-checkpoints", "COMPLETED")) >= 2)
    assert len(runs(pool, "run-experiment", tag="checkpoint:7.pt")) == 1
    equal(numbers(f"s3://{bucket}/store"), in_process(folder / "watched.yaml", folder / "local-7.pt", tmp_path / "s"))
    done = runs(pool, "extract-outputs", "COMPLETED", tag="checkpoint:7.pt")
    assert sorted(run["name"].partition(":")[0] for run in done) == ["extract one", "extract one", "extract two"]
    (_, first), (second, _) = sorted(occupied(pool, run) for run in done if run["name"].startswith("extract one"))
    assert second < first, "two workers share a data set, at the same time"
    tags = frozenset({"experiment:watched", "checkpoint:7.pt", "dawin"})
    assert {frozenset(run["tags"]) for run in done} == {tags | {f"dataset:{name}"} for name in ("one", "two")}


def test_the_schedule_creates_runs(pool):
    """The server's scheduler has created the looks of the next hours."""
    ahead = wait_for("scheduled looks", lambda: runs(pool, "watch-checkpoints", "SCHEDULED"))
    assert all(run["auto_scheduled"] for run in ahead)


@pytest.fixture(scope="module")
def unlucky(pool, place):
    """A run in the background, whose processes are killed; most of its time is the wait for a missing heartbeat.

    During extraction one child is killed, and another one together with its worker; during evaluation, a worker only.
    """
    folder, bucket = place

    def go():
        tag = "checkpoint:8.pt"
        announce(pool, add_checkpoint(bucket, folder, "8.pt", 8))
        first, process = running(pool, "extract-outputs", tag=tag)
        device = device_of(process)
        kill(process)
        lost = wait_for(
            "a child on the other worker",
            lambda: next(
                (
                    (run, process)
                    for run in runs(pool, "extract-outputs", "RUNNING", tag=tag)
                    if (process := process_of(run)) and device_of(process) == 1 - device
                ),
                None,
            ),
        )
        kill_worker(pool, 1 - device)
        kill(lost[1])
        committed = manifests(f"s3://{bucket}/store")
        orphan, process = running(pool, "evaluate-merges", tag=tag)
        kill_worker(pool, device)  # the remaining worker; its child continues as an orphan
        committed |= manifests(f"s3://{bucket}/store")
        pool.start_gpu_worker(0)
        pool.start_gpu_worker(1)
        wait_for("second checkpoint", lambda: completed(pool, tag))
        return [first, lost[0]], orphan, committed

    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(go)


@pytest.mark.usefixtures("unlucky")
class TestMeanwhile:
    """Tests that run while the pool waits for a missing heartbeat."""

    @pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to open the UI")
    def test_the_ui_shows_a_run_its_children_and_its_results(self, pool, tmp_path):
        """A browser shows the parent, its results and its histogram; the pictures go to DAWIN_SCREENSHOTS."""
        kept = Path(os.environ.get("DAWIN_SCREENSHOTS", tmp_path))
        kept.mkdir(parents=True, exist_ok=True)
        parent = runs(pool, "run-experiment", "COMPLETED", tag="checkpoint:7.pt")[0]
        shown = page(f"{pool.url}/runs/flow-run/{parent['id']}", kept / "run.png", "extract one")
        assert "watched: 7.pt" in shown
        assert "checkpoint:7.pt" in shown
        assert "extract one: base, tuned" in shown
        key = {"artifacts": {"key": {"like_": "%watched%"}}}
        latest = ask(pool, "POST", "/artifacts/latest/filter", key)
        found = {artifact["key"]: artifact["latest_id"] for artifact in latest}
        wanted = {"results-watched", "report-watched", "parquet-watched", "plan-watched", "coefficients-watched-one"}
        assert wanted <= set(found)
        looks = {"results-watched": "dawin/samples", "coefficients-watched-one": "weights"}
        for artifact, content in looks.items():
            address = f"{pool.url}/artifacts/artifact/{found[artifact]}"
            assert content in page(address, kept / f"{artifact}.png", content)
        assert all((kept / f"{name}.png").stat().st_size > 10_000 for name in ("run", *looks))

    @pytest.mark.parametrize("missing", ["api", "pool", "number"])
    def test_a_wrong_configuration_is_refused_within_seconds(self, pool, missing, tmp_path):
        """A dead API, an unknown pool and an invalid number each give exit status 2 and one line."""
        changed, wanted = {
            "api": ({"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "no Prefect API answers there"),
            "pool": ({"DAWIN_GPU_POOL": "nowhere"}, "DAWIN_GPU_POOL=nowhere: no such work pool"),
            "number": ({"DAWIN_IN_FLIGHT": "0"}, "DAWIN_IN_FLIGHT=0: wanted a positive whole number"),
        }[missing]
        refused(pool, tiny.experiment(tmp_path, samples=6), tmp_path, wanted, **changed)

    def test_a_run_warns_that_its_pool_has_no_worker(self, pool, tmp_path):
        """The warning comes within seconds and names the remedy; an interrupt then cancels the run and its children."""
        pool.create_pools("empty")
        file = tiny.experiment(tmp_path, samples=6)
        began = time.monotonic()
        parent = command(pool, file, str(tmp_path / "store"), DAWIN_GPU_POOL="empty")
        line = next(line for line in parent.stderr if "no worker online" in line)
        assert "work pool empty has no worker online; start one with prefect worker start --pool empty" in line
        assert time.monotonic() - began < 15
        waiting = wait_for("children", lambda: runs(pool, "extract-outputs", "SCHEDULED", tag="experiment:tiny"))
        parent.send_signal(signal.SIGINT)
        shown = parent.communicate(timeout=60)[1]
        assert parent.returncode == 1
        assert "dawin: interrupted; the next run continues from the objects in the store" in shown
        ended = {run["id"] for run in runs(pool, "extract-outputs", "CANCELLED", tag="experiment:tiny")}
        assert {run["id"] for run in waiting} <= ended

    def test_two_concurrent_parents_complete_and_write_every_object_once(self, pool, tmp_path):
        """The store then holds one copy of each object and the results of one run."""
        settings = {"merge": {"granularity": ["samples"], "offset": False}, "baselines": ["individual"]}
        file = tiny.experiment(tmp_path, samples=12, datasets=[{"name": "one", "images": "one"}], **settings)
        store = str(tmp_path / "store")
        parents = [command(pool, file, store) for _ in range(2)]
        shown = [parent.communicate(timeout=60 * MINUTES)[1] for parent in parents]
        assert [parent.returncode for parent in parents] == [0, 0], shown
        objects = [key for key in manifests(store) if key.startswith(("outputs/", "predictions/"))]
        assert len(objects) == 2 + 1
        assert len([key for key in manifests(store) if key.startswith("results/")]) == 1

    def test_cancelling_a_parent_cancels_its_children(self, pool, place):
        """Their processes end, no child is sent again, and no look for checkpoints starts the run again."""
        folder, bucket = place
        tag = "checkpoint:9.pt"
        uri = add_checkpoint(bucket, folder, "9.pt", 9)
        announce(pool, uri)
        child, process = running(pool, "extract-outputs", tag=tag)
        with held(pool, "extract-outputs", child):  # otherwise it might be complete before the parent is cancelled
            parent = runs(pool, "run-experiment", "RUNNING", tag=tag)[0]
            ask(pool, "POST", f"/flow_runs/{parent['id']}/set_state", {"state": {"type": "CANCELLING"}})

        def ended():
            return all(run["state_type"] in ("CANCELLED", "COMPLETED") for run in runs(pool, tag=tag))

        wait_for("the end of all", ended)
        states = {run["id"]: run["state_type"] for run in runs(pool, tag=tag)}
        assert states[parent["id"]] == states[child["id"]] == "CANCELLED"
        assert not Path(f"/proc/{process}").exists()
        assert not any("again" in run["name"] for run in runs(pool, tag=tag))
        watch = deployment(pool, "watch-checkpoints/watch")
        asked = {"parameters": {"checkpoint": uri}, "state": {"type": "SCHEDULED"}}
        look = ask(pool, "POST", f"/deployments/{watch}/create_flow_run", asked)["id"]
        wait_for("another look", lambda: look in {run["id"] for run in runs(pool, "watch-checkpoints", "COMPLETED")})
        assert [run["id"] for run in runs(pool, "run-experiment", tag=tag)] == [parent["id"]]


def test_a_run_whose_processes_were_killed_completes(pool, place, unlucky, tmp_path):
    """No committed object is computed again, and the results equal those of an undisturbed run."""
    folder, bucket = place
    dead, orphan, committed = unlucky.result()
    states = {run["id"]: run["state_type"] for run in runs(pool, tag="checkpoint:8.pt")}
    assert {states[run["id"]] for run in dead} == {"CRASHED"}
    assert states[orphan["id"]] in ("CRASHED", "COMPLETED")  # an orphan may complete before it notices
    again = [run["name"] for run in runs(pool, "extract-outputs", "COMPLETED") if "(again, 2)" in run["name"]]
    assert len(again) == 2
    after = manifests(f"s3://{bucket}/store")
    assert all(after[key] == content for key, content in committed.items())
    equal(numbers(f"s3://{bucket}/store"), in_process(folder / "watched.yaml", folder / "local-8.pt", tmp_path / "s"))


def test_checkpoints_that_arrive_while_the_server_is_down_are_evaluated_once(pool, place):
    """No event arrives; the schedule finds all six, and neither a copy, the base nor an incomplete file gets a row."""
    folder, bucket = place
    server = pool.processes["server"]
    server.terminate()
    server.wait(30)
    for number in range(6):
        uri = upload(tiny.checkpoint(folder / f"b{number}.pt", 20 + number), bucket, f"burst/b{number}.pt")
    with pytest.raises(urllib.error.URLError, match="refused"):
        announce(pool, uri)
    upload(folder / "b3.pt", bucket, "burst/copy.pt")
    upload(folder / "base.pt", bucket, "burst/base.pt")
    half = folder / "half.pt"
    half.write_bytes((folder / "b4.pt").read_bytes()[:5_000])
    upload(half, bucket, "burst/half.pt")
    pool.start_server()
    watch = deployment(pool, "watch-checkpoints/watch")
    often = {"active": True, "schedule": {"interval": 10}, "parameters": {"experiment": str(folder / "burst.yaml")}}
    made = ask(pool, "POST", f"/deployments/{watch}/schedules", [often])
    wait_for("a look", lambda: runs(pool, "run-experiment", tag="experiment:burst"))
    ask(pool, "DELETE", f"/deployments/{watch}/schedules/{made[0]['id']}")
    wait_for("six rows", lambda: completed(pool, "experiment:burst", 6))
    from flows.reports.leaderboard import leaderboard
    from storage.store import Store

    board = leaderboard(Store(f"s3://{bucket}/store"), "burst").filter(method="dawin/samples")
    assert sorted(board["checkpoint"]) == [f"b{number}.pt" for number in range(6)]
    look = [sys.executable, "-m", "flows.cli", "watch", str(folder / "burst.yaml"), "--once"]
    ended = subprocess.run(look, env=pool.environment, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("0 runs started")
    assert len(runs(pool, "run-experiment", tag="experiment:burst")) == 6


def test_a_missing_deployment_is_refused_within_seconds(pool, tmp_path):
    """The message names the deployment and the command that creates it."""
    ask(pool, "DELETE", f"/deployments/{deployment(pool, 'evaluate-merges/gpu')}")
    wanted = "deployment evaluate-merges/gpu does not exist; create it with prefect deploy --all"
    refused(pool, tiny.experiment(tmp_path, samples=6), tmp_path, wanted)
