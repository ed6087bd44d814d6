"""Requests to a running pool, and damage to it: Prefect's API, processes, the store."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import tiny

sys.path.insert(0, str(Path(__file__).parents[2] / "infra"))

MINUTES = 4.0


def upload(path, bucket, name):
    """Upload a file and return its address."""
    import boto3

    boto3.client("s3", region_name="us-east-1").upload_file(str(path), bucket, name)
    return f"s3://{bucket}/{name}"


def add_checkpoint(bucket, folder, name, seed):
    """Upload a new checkpoint and return its address."""
    return upload(tiny.checkpoint(folder / f"local-{name}", seed), bucket, f"finetuned/{name}")


def ask(pool, method, path, content=None):
    """Call Prefect's API and return its answer."""
    body = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    if word := pool.environment.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {base64.b64encode(word.encode()).decode()}"
    request = urllib.request.Request(f"{pool.url}/api{path}", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or "null")


def announce(pool, uri):
    """Send the event `checkpoint.landed` for an address."""
    event = {
        "occurred": datetime.now(UTC).isoformat(),
        "event": "checkpoint.landed",
        "resource": {"prefect.resource.id": f"checkpoint.{uri.rpartition('/')[2]}"},
        "payload": {"uri": uri},
        "id": str(uuid.uuid4()),
    }
    ask(pool, "POST", "/events", [event])


def deployment(pool, name):
    """Return the id of a deployment."""
    return ask(pool, "GET", f"/deployments/name/{name}")["id"]


def runs(pool, flow=None, state=None, tag=None):
    """Return flow runs, newest first, of a flow, a state and a tag."""
    chosen = {}
    if state:
        chosen["state"] = {"type": {"any_": [state]}}
    if tag:
        chosen["tags"] = {"all_": [tag]}
    wanted = {"sort": "START_TIME_DESC", "limit": 200, "flow_runs": chosen}
    if flow:
        wanted["flows"] = {"name": {"any_": [flow]}}
    return ask(pool, "POST", "/flow_runs/filter", wanted)


def occupied(pool, run):
    """Return the times at which a worker took a run and at which the run ended."""
    states = ask(pool, "GET", f"/flow_run_states/?flow_run_id={run['id']}")
    taken = min(state["timestamp"] for state in states if state["type"] == "PENDING")
    return datetime.fromisoformat(taken), datetime.fromisoformat(run["end_time"])


def wait_for(name, found, minutes=MINUTES):
    """Call a function until it returns a true value, and return that."""
    deadline = time.monotonic() + 60 * minutes
    while not (result := found()):
        assert time.monotonic() < deadline, f"{name}: not within {minutes} minutes"
        time.sleep(0.3)
    return result


def completed(pool, tag, count=1):
    """Return whether `count` parents with a tag have completed; fail at once if one has failed."""
    found = runs(pool, "run-experiment", tag=tag)
    failed = [run["name"] for run in found if run["state_type"] in ("FAILED", "CRASHED")]
    assert not failed, failed
    return sum(run["state_type"] == "COMPLETED" for run in found) >= count


def process_of(run):
    """Return the id of the process that executes a flow run on this machine; None if none does."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                if f"PREFECT__FLOW_RUN_ID={run['id']}".encode() in (folder / "environ").read_bytes():
                    return int(folder.name)
    return None


def running(pool, flow, **filters):
    """Wait for a running child of a flow; return its run and the id of its process."""

    def found():
        for run in runs(pool, flow, "RUNNING", **filters):
            if process := process_of(run):
                return run, process
        return None

    return wait_for(f"a running {flow}", found)


@contextmanager
def held(pool, flow, run):
    """Stop the processes of a flow while a context lasts; at its end, wait until the API has cancelled a run of it."""
    names = {path.parent: path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm") if path.exists()}
    stopped = [int(folder.name) for folder, name in names.items() if name == flow[:15]]
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
        wanted = ("CANCELLING", "CANCELLED")
        wait_for("the cancellation", lambda: ask(pool, "GET", f"/flow_runs/{run['id']}")["state_type"] in wanted)
    finally:
        for process in stopped:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def device_of(process):
    """Return the number of the GPU that a process may use; None if the process has ended."""
    with suppress(OSError):
        return int(re.search(rb"CUDA_VISIBLE_DEVICES=(\d)", Path(f"/proc/{process}/environ").read_bytes())[1])
    return None


def kill(process):
    """Kill a process; do nothing if it has ended."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def kill_worker(pool, number):
    """Kill a worker without its children, which continue as orphans."""
    worker = pool.processes[f"gpu{number}"]
    worker.kill()
    worker.wait()


def numbers(store):
    """Return the value of every result of every run, by experiment, method, data set, metric and weights."""
    from storage import scan

    columns = ["experiment", "method", "dataset", "metric", "weights", "value"]
    rows = scan("results", store=store).select(columns).collect()
    return {(e, m, d, metric, tuple(w)): value for e, m, d, metric, w, value in rows.iter_rows()}


def in_process(file, checkpoint, store):
    """Return the numbers of the same experiment, computed in this process without Prefect, a pool or S3."""
    from flows.experiment.file import load_experiment
    from flows.planning.check import checked_plan
    from storage.store import Store
    from tasks import aggregation, ensembling, evaluation, extraction, fitting

    settings = load_experiment(str(file), (f"models.1.checkpoint={checkpoint}",))
    cut_as_for_many_classes(settings, str(store))
    plan = checked_plan(settings, Store(str(store)))
    for dataset, outputs in zip(plan.datasets, plan.outputs, strict=True):
        extraction.extract.fn(outputs, plan.store, reading=settings.reading)
        for coefficients in plan.coefficients(dataset):
            fitting.fit_coefficients.fn(coefficients, plan.store)
        for mixture in plan.mixtures(dataset):
            fitting.fit_mixture.fn(mixture, plan.store)
        evaluation.evaluate_merges.fn(plan.merges(dataset), plan.store, reading=settings.reading)
        ensembling.evaluate_ensembles.fn(plan.ensembles(dataset), plan.store)
    aggregation.aggregate.fn(plan.record, plan.cells, plan.store)
    return numbers(str(store))


def cut_as_for_many_classes(settings, store):
    """Record in a new store that objects hold 8,192 samples, as with 1,000 classes: then a small data set has two."""
    from flows.planning.check import checked_plan
    from storage.cuts import Cuts
    from storage.store import Store

    for dataset in checked_plan(settings, Store("memory://cuts"), remember=False).datasets:
        assert Cuts(Store(store)).samples_per_object(dataset.digest, classes=1000) == 8192


def manifests(store):
    """Return the content of every manifest in a store, by key."""
    from storage.store import Store

    opened = Store(store)
    return {key: opened.read(key) for key in opened.keys("") if key.endswith(".manifest.json")}


def command(pool, file, store, **changed):
    """Start `dawin run` and return its process."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", file, "--store", store],
        env={**pool.environment, **changed},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(pool, file, folder, wanted, **changed):
    """Assert that a run ends within 15 seconds, with exit status 2 and a line that holds the wanted reason."""
    began = time.monotonic()
    started = command(pool, file, str(folder / "store"), **changed)
    shown = started.communicate(timeout=60)[1]
    assert time.monotonic() - began < 15
    assert started.returncode == 2, shown
    assert any(line.startswith("dawin: ") and wanted in line for line in shown.splitlines()), shown
