"""A cluster of real processes: server, workers, S3; a checkpoint lands, children die, and the numbers are the same."""

import html
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import layouts
import numpy as np
import pytest
import tiny
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "infra"))

from cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

SAMPLES = {"one": 9_000, "two": 600}  # two objects a table, and one
MINUTES = 4.0


@pytest.fixture(scope="module")
def place(tmp_path_factory, s3_server):
    """Data, an experiment whose tuned model is whatever lands in a bucket, and the AWS variables."""
    import boto3

    folder = tmp_path_factory.mktemp("cluster")
    variables = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        bucket = f"cluster-{uuid.uuid4().hex[:8]}"
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
        few = layouts.encoded(100)
        for name, count in SAMPLES.items():
            pictures, labels = [few[i % 100] for i in range(count)], np.arange(count) * 3 // count
            layouts.write_tars(folder / name, pictures, labels, shards=2, names=["a", "b", "c"])
        tiny.checkpoint(folder / "base.pt", 1)
        content = {
            "name": "landing",
            "models": [
                {"name": "base", "checkpoint": "base.pt"},
                {"name": "tuned", "checkpoint": f"s3://{bucket}/finetuned/*"},
            ],
            "datasets": [{"name": n, "images": n, "group": g} for n, g in (("one", "id"), ("two", "ood"))],
            "merge": {"granularity": ["clusters", "samples"], "clusters": 2},
            "baselines": ["individual", "output-ensemble"],
            "batch_size": 64,
            "workers": 0,
            "samples_per_run": 8192,
        }
        (folder / "landing.yaml").write_text(yaml.safe_dump(content))
        yield folder, bucket


@pytest.fixture(scope="module")
def cluster(place):
    """A server, a CPU worker, two GPU workers, the automation."""
    folder, bucket = place
    started = Cluster(folder / "cluster", str(folder / "landing.yaml"), f"s3://{bucket}/store", gpus=2)
    try:
        started.start()
        yield started
    finally:
        started.stop()


def land(bucket, folder, name, seed):
    """Upload a checkpoint; return its address."""
    upload(tiny.checkpoint(folder / f"local-{name}", seed), bucket, name)
    return f"s3://{bucket}/finetuned/{name}"


def upload(path, bucket, name):
    import boto3

    boto3.client("s3", region_name="us-east-1").upload_file(str(path), bucket, f"finetuned/{name}")


def post(cluster, path, content):
    request = urllib.request.Request(
        f"{cluster.url}/api{path}", json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")


def tell(cluster, uri):
    """Send the event that a checkpoint has landed."""
    event = {
        "occurred": datetime.now(UTC).isoformat(),
        "event": "checkpoint.landed",
        "resource": {"prefect.resource.id": f"checkpoint.{uri.rpartition('/')[2]}"},
        "payload": {"uri": uri},
        "id": str(uuid.uuid4()),
    }
    post(cluster, "/events", [event])


def runs(cluster, flow=None, state=None):
    """Flow runs, newest first."""
    wanted = {"sort": "START_TIME_DESC", "limit": 200}
    if state:
        wanted["flow_runs"] = {"state": {"type": {"any_": [state]}}}
    if flow:
        wanted["flows"] = {"name": {"any_": [flow]}}
    return post(cluster, "/flow_runs/filter", wanted)


def wait_for(what, found, minutes=MINUTES):
    deadline = time.monotonic() + 60 * minutes
    while not (result := found()):
        assert time.monotonic() < deadline, f"{what}: not within {minutes} minutes"
        time.sleep(0.5)
    return result


def completed(cluster, count):
    """Whether so many parent runs have completed; one that failed is an error at once."""
    failed = [run["name"] for run in runs(cluster, "run-experiment") if run["state_type"] in ("FAILED", "CRASHED")]
    assert not failed, failed
    return len(runs(cluster, "run-experiment", "COMPLETED")) >= count


def numbers(store, experiment="landing"):
    """Every result of every run: what was measured, on what, of which models."""
    from storage import scan

    rows = scan("results", store=store).collect()
    columns = ["method", "dataset", "metric", "value", "weights"]
    return {
        (r["method"], r["dataset"], r["metric"], tuple(r["weights"])): r["value"]
        for r in rows.select(columns).to_dicts()
    }


def here(place, seed, store):
    """The same experiment in this process."""
    from flows.experiment import load_experiment
    from flows.preparation import prepare
    from storage.store import Store
    from tasks import aggregation, evaluation, extraction, fitting

    folder, _ = place
    settings = load_experiment(str(folder / "landing.yaml"), (f"models.1.checkpoint={folder}/local-{seed}.pt",))
    plan = prepare(settings, Store(store))
    for dataset, outputs in zip(plan.datasets, plan.outputs, strict=True):
        extraction.extract.fn(outputs, plan.store, reading=settings.reading)
        for coefficients in plan.coefficients(dataset):
            fitting.fit_coefficients.fn(coefficients, plan.store)
        for mixture in plan.mixtures(dataset):
            fitting.fit_mixture.fn(mixture, plan.store)
        evaluation.evaluate_merges.fn(plan.merges(dataset), plan.store, reading=settings.reading)
        evaluation.evaluate_ensembles.fn(plan.ensembles(dataset), plan.store)
    aggregation.aggregate.fn(plan.record, plan.cells, plan.store)
    return numbers(store)


def equal(found, wanted):
    for key, value in wanted.items():
        assert found[key] == pytest.approx(value, abs=1e-9), key


def manifests(store):
    """What has been committed: key to content."""
    from storage.store import Store

    opened = Store(store)
    return {key: opened.read(key) for key in opened.keys("") if key.endswith(".manifest.json")}


def test_a_checkpoint_that_lands_is_evaluated_by_the_workers(cluster, place, tmp_path):
    """Upload, event, watcher, parent, children on both workers, results; equal to a run in one process."""
    folder, bucket = place
    tell(cluster, land(bucket, folder, "7.pt", 7))
    wait_for("first checkpoint", lambda: completed(cluster, 1))
    found = numbers(f"s3://{bucket}/store")
    equal(found, here(place, 7, str(tmp_path / "store")))
    extractions = [r for r in runs(cluster, "extract-outputs", "COMPLETED") if r["name"].startswith("extract one")]
    assert len(extractions) == 2, "one data set is shared by ranges"
    spans = sorted((r["start_time"], r["end_time"]) for r in runs(cluster, "extract-outputs", "COMPLETED"))
    assert any(start < end for (_, end), (start, _) in itertools.pairwise(spans)), "two workers work at once"
    tags = {tag for run in runs(cluster, "extract-outputs") for tag in run["tags"]}
    assert {"experiment:landing", "dataset:one", "dataset:two"} <= tags


def page(url, picture, wanted):
    """Open a page of the UI in a browser; its text once something is in it, and a picture kept."""
    shown = ""
    command = [shutil.which("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"]
    for budget in (10_000, 20_000, 40_000):  # ms of the page's own time
        options = [f"--virtual-time-budget={budget}", "--dump-dom", url]
        ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=120)
        shown = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", ended.stdout, flags=re.S)))
        if wanted in shown:
            break
    options = ["--virtual-time-budget=10000", f"--screenshot={picture}", url]
    subprocess.run([*command, *options], capture_output=True, check=False, timeout=120)
    return shown


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to look at the UI with")
def test_the_ui_shows_the_run_its_children_and_its_results(cluster, tmp_path):
    """In a real browser; the pictures are kept where CI asks for them."""
    kept = Path(os.environ.get("DAWIN_SCREENSHOTS", tmp_path))
    kept.mkdir(parents=True, exist_ok=True)
    parent = runs(cluster, "run-experiment", "COMPLETED")[-1]
    shown = page(f"{cluster.url}/runs/flow-run/{parent['id']}", kept / "run.png", "extract one")
    assert "landing: 7.pt" in shown
    assert "checkpoint:7.pt" in shown
    assert "extract one: base, tuned" in shown
    latest = post(cluster, "/artifacts/latest/filter", {"artifacts": {"key": {"like_": "%landing%"}}})
    found = {artifact["key"]: artifact["latest_id"] for artifact in latest}
    assert {"results-landing", "report-landing", "plan-landing", "coefficients-landing-one"} <= set(found)
    shown = page(f"{cluster.url}/artifacts/artifact/{found['results-landing']}", kept / "results.png", "dawin/samples")
    assert "dawin/clusters-2" in shown
    picture = kept / "coefficients.png"
    page(f"{cluster.url}/artifacts/artifact/{found['coefficients-landing-one']}", picture, "clusters, weights")
    assert all((kept / f"{name}.png").stat().st_size > 10_000 for name in ("run", "results", "coefficients"))


def process_of(run):
    """The process that executes a flow run on this machine."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if f"PREFECT__FLOW_RUN_ID={run['id']}".encode() in environment:
                return int(folder.name)
    return None


def killed(cluster, flow):
    """Kill the process of a running child; return its run."""

    def found():
        for run in runs(cluster, flow, "RUNNING"):
            if process := process_of(run):
                os.kill(process, signal.SIGKILL)
                return run
        return None

    return wait_for(f"a running {flow}", found)


def test_children_that_die_are_sent_again(cluster, place, tmp_path):
    """Killed during extraction and during evaluation: all completes, nothing committed is computed twice."""
    folder, bucket = place
    store = f"s3://{bucket}/store"
    tell(cluster, land(bucket, folder, "8.pt", 8))
    first = killed(cluster, "extract-outputs")
    committed = manifests(store)
    second = killed(cluster, "evaluate-merges")
    committed |= manifests(store)
    wait_for("second checkpoint", lambda: completed(cluster, 2))
    states = {run["id"]: run["state_type"] for run in runs(cluster)}
    assert {states[first["id"]], states[second["id"]]} == {"CRASHED"}
    after = manifests(store)
    assert all(after[key] == content for key, content in committed.items())
    equal(numbers(store), here(place, 8, str(tmp_path / "store")))
    assert any("(again, 2)" in run["name"] for run in runs(cluster, "extract-outputs"))


def test_a_worker_and_its_child_that_die_together(cluster, place, tmp_path):
    """Only the automation notices: no heartbeat, so the run is marked, and another worker takes it."""
    folder, bucket = place
    script = str(Path(__file__).parents[2] / "infra" / "heartbeats.py")
    subprocess.run([sys.executable, script, "45"], env=cluster.environment, check=True)
    tell(cluster, land(bucket, folder, "9.pt", 9))
    run = wait_for("a running child", lambda: next(iter(runs(cluster, "extract-outputs", "RUNNING")), None))
    process = wait_for("its process", lambda: process_of(run))
    time.sleep(1)
    device = re.search(rb"CUDA_VISIBLE_DEVICES=(\d)", Path(f"/proc/{process}/environ").read_bytes())[1].decode()
    os.killpg(cluster.workers[f"gpu{device}"].pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    wait_for("third checkpoint", lambda: completed(cluster, 3), minutes=5)
    equal(numbers(f"s3://{bucket}/store"), here(place, 9, str(tmp_path / "store")))


def test_the_poller_catches_up_and_content_counts(cluster, place):
    """No event at all, and the same content by another name: the next look starts one run."""
    folder, bucket = place
    land(bucket, folder, "10.pt", 10)
    for source, name in (("local-10.pt", "again.pt"), ("base.pt", "base-again.pt")):
        upload(folder / source, bucket, name)
    cluster.prefect("deployment", "run", "watch-checkpoints/watch")
    cluster.prefect("deployment", "run", "watch-checkpoints/watch")
    wait_for("fourth checkpoint", lambda: completed(cluster, 4))
    wait_for("all looks", lambda: len(runs(cluster, "watch-checkpoints", "COMPLETED")) >= 5)
    assert len(runs(cluster, "run-experiment")) == 4
    from flows.leaderboard import leaderboard
    from storage.store import Store

    board = leaderboard(Store(f"s3://{bucket}/store"), "landing").filter(method="dawin/samples")
    assert sorted(board["checkpoint"]) == ["10.pt", "7.pt", "8.pt", "9.pt"]


def command(cluster, file, store, **changed):
    """Start `dawin run`."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", file, "--store", store],
        env={**cluster.environment, **changed},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_parents_at_once_end_with_one_copy(cluster, tmp_path):
    """Both complete; every object is there once, and the results are one run's."""
    file = tiny.experiment(tmp_path, samples=12, merge={"granularity": ["samples"]}, baselines=["individual"])
    store = str(tmp_path / "store")
    parents = [command(cluster, file, store) for _ in range(2)]
    told = [parent.communicate(timeout=60 * MINUTES)[1] for parent in parents]
    assert [parent.returncode for parent in parents] == [0, 0], told
    objects = [key for key in manifests(store) if key.startswith(("outputs/", "predictions/"))]
    assert len(objects) == len(set(objects)) == 2 * 2 + 2
    assert len([key for key in manifests(store) if key.startswith("results/")]) == 1


def test_a_pool_without_workers_is_waited_for_in_so_many_words(cluster, tmp_path):
    """A warning that says what it waits for, within seconds."""
    cluster.prefect("work-pool", "create", "empty", "--type", "process", "--overwrite")
    file = tiny.experiment(tmp_path, samples=6)
    began = time.monotonic()
    parent = command(cluster, file, str(tmp_path / "store"), DAWIN_GPU_POOL="empty")
    try:
        for line in parent.stderr:
            if "no worker online" in line:
                break
        assert "work pool empty has no worker online: runs wait for prefect worker start --pool empty" in line
        assert time.monotonic() - began < 25
    finally:
        parent.kill()
        parent.communicate()


@pytest.mark.parametrize("missing", ["api", "pool", "deployment"])
def test_what_is_not_there_is_told_in_seconds(cluster, place, missing, tmp_path):
    """A dead API, a pool that nobody made, a deployment that is gone; exit status 2 and one line."""
    if missing == "deployment":
        cluster.prefect("deployment", "delete", "evaluate-merges/gpu")
    file = tiny.experiment(tmp_path, samples=6)
    changes = {"api": {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "pool": {"DAWIN_GPU_POOL": "nowhere"}}
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", file, "--store", str(tmp_path / "store")],
        env={**cluster.environment, **changes.get(missing, {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - began < 25
    assert ended.returncode == 2
    wanted = {
        "api": "no Prefect API answers there",
        "pool": "DAWIN_GPU_POOL=nowhere: no such work pool",
        "deployment": "deployment evaluate-merges/gpu was never made; prefect deploy --all",
    }[missing]
    assert any(line.startswith("dawin: ") and wanted in line for line in ended.stderr.splitlines())
