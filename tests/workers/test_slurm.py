"""GPU workers in the tasks of a Slurm array job, on a real cluster of one node whose tasks are killed in mid-run."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny
import yaml
from pools import MINUTES, device_of, in_process, kill, manifests, numbers, process_of, runs, wait_for
from slurm_cluster import SlurmCluster

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "infra" / "slurm"))

pytestmark = [pytest.mark.workers, pytest.mark.xdist_group("workers")]

TAG = "experiment:cluster"


@pytest.fixture(scope="module")
def cluster():
    """A running cluster, which `SLURM_CONF` names; the tests are skipped where none can run."""
    if reason := SlurmCluster.reason_against():
        pytest.skip(reason)
    started = SlurmCluster()
    try:
        try:
            started.start()
        except (RuntimeError, OSError) as error:
            pytest.skip(str(error))
        with pytest.MonkeyPatch.context() as patch:
            for name, value in started.environment.items():
                patch.setenv(name, value)
            yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def experiment(place, tmp_path_factory):
    """An experiment on two data sets of nearly the same size, in files of this machine."""
    images, _ = place
    folder = tmp_path_factory.mktemp("experiment")
    content = {
        "name": "cluster",
        "models": [
            {"name": name, "checkpoint": tiny.checkpoint(folder / f"{name}.pt", seed)}
            for seed, name in enumerate(("base", "tuned"), 1)
        ],
        "datasets": [
            {"name": "most", "images": str(images / "one"), "limit": 5000, "group": "id"},
            {"name": "some", "images": str(images / "one"), "limit": 4800, "group": "ood"},
        ],
        "merge": {"granularity": ["clusters"], "clusters": 2},
        "baselines": ["individual"],
        "batch_size": 64,
        "workers": 0,
    }
    file = folder / "cluster.yaml"
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture(scope="module")
def slurm(cluster, experiment, tmp_path_factory):
    """A server, and an array job of two tasks with a GPU each."""
    from slurm_pool import SlurmPool

    folder = tmp_path_factory.mktemp("slurm")
    started = SlurmPool(folder / "pool", str(experiment), str(folder / "store"), 2, host="127.0.0.1", silence=45)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def story(slurm, cluster, experiment):
    """A run whose workers are killed, put back into the queue and drained, and the children that this happened to."""
    command = [sys.executable, "-m", "flows.cli", "run", str(experiment)]
    with (
        ThreadPoolExecutor(1) as beside,
        subprocess.Popen(command, env=slurm.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as parent,
    ):
        try:
            disturbed = beside.submit(disturb, slurm, cluster)
            shown = parent.communicate(timeout=60 * 2 * MINUTES)[0].decode()
            happened = disturbed.result(timeout=10)
        finally:
            parent.kill()
    return {**happened, "status": parent.returncode, "shown": shown}


def disturb(pool, cluster):
    """Kill one task of the job and requeue both while they extract, then drain one while it evaluates."""
    lost = wait_for("a child", lambda: next(iter(working(pool, "extract-outputs")), None))
    committed = manifests(pool.environment["DAWIN_STORE"])
    for process in cluster.processes(lost["task"]):
        kill(process)

    def other():
        return next((child for child in working(pool, "extract-outputs") if child["task"] != lost["task"]), None)

    requeued = wait_for("a child of the other task", other)
    cluster("scontrol", "requeue", requeued["task"])
    wait_for("the end of the killed task", lambda: cluster.state(lost["task"]) == "FAILED")
    cluster("scontrol", "requeue", lost["task"])
    drained = wait_for("an evaluation", lambda: next(iter(working(pool, "evaluate-merges")), None))
    cluster("scancel", "--signal=TERM", "--batch", drained["task"])
    return {"lost": lost, "requeued": requeued, "drained": drained, "committed": committed}


def working(pool, flow):
    """Return the children that run on tasks of the job: flow run, process, device, and the task's number."""
    found = []
    for run in runs(pool, flow, "RUNNING", tag=TAG):
        if process := process_of(run):
            device = device_of(process)
            task = variable(process, "SLURM_ARRAY_TASK_ID")
            if device is not None and task is not None:
                found.append({"run": run["id"], "process": process, "device": device, "task": f"{pool.job}_{task}"})
    return found


def variable(process, name):
    """Return a variable of a process; None if it has ended or has no such variable."""
    try:
        found = re.search(rf"(?:^|\0){name}=([^\0]*)".encode(), Path(f"/proc/{process}/environ").read_bytes())
    except OSError:
        return None
    return found[1].decode() if found else None


def state(pool, run):
    return next(found["state_type"] for found in runs(pool, tag=TAG) if found["id"] == run)


def test_a_run_whose_tasks_were_killed_and_requeued_completes(slurm, experiment, story, tmp_path):
    """Nothing committed is computed again, and the store equals that of one process."""
    assert story["status"] == 0, story["shown"]
    assert state(slurm, story["lost"]["run"]) == "CRASHED"
    # SIGTERM in the middle of an import can end as an error of the import
    assert state(slurm, story["requeued"]["run"]) in ("CRASHED", "FAILED")
    store = slurm.environment["DAWIN_STORE"]
    after = manifests(store)
    assert all(after[key] == content for key, content in story["committed"].items())
    wanted = in_process(experiment, experiment.parent / "tuned.pt", tmp_path / "s")
    found = numbers(store)
    assert found.keys() == wanted.keys()
    assert found == pytest.approx(wanted, abs=1e-9)
    assert computed(after) == computed(manifests(str(tmp_path / "s")))


def computed(keys):
    """Return the keys of what was computed; plans and results are those of a run."""
    return {key for key in keys if key.startswith(("outputs/", "coefficients/", "mixtures/", "predictions/"))}


def test_each_task_has_a_gpu_of_its_own_and_keeps_its_name_and_log(slurm, story):
    """Slurm gives each worker one device; a requeued task continues its log, under the same name of the worker."""
    assert {story["lost"]["device"], story["requeued"]["device"]} == {0, 1}
    for task in (0, 1):
        log = (slurm.environment_file.parent / f"worker-{slurm.job}_{task}.log").read_text()
        starts = re.findall(rf" slurm-{slurm.job}_{task} on \S+, start (\d), GPU (\d)$", log, re.MULTILINE)
        assert [start for start, _ in starts] == ["1", "2"]


def test_a_task_near_its_time_limit_finishes_its_run_and_ends(slurm, cluster, story):
    """SIGTERM to the batch shell, as at the time limit, lets the run of its worker complete, and then ends the task."""
    drained = story["drained"]
    wait_for("the end of the task", lambda: cluster.state(drained["task"]) == "COMPLETED")
    assert state(slurm, drained["run"]) == "COMPLETED"
    log = (slurm.environment_file.parent / f"worker-{drained['task']}.log").read_text()
    assert log.endswith(f" slurm-{drained['task']} stopped, as SIGTERM asked\n")


def test_the_server_refuses_requests_without_its_password(slurm):
    """Other users of the cluster reach the port, and could have workers run commands; they get status 401."""
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{slurm.url}/api/work_pools/gpu", timeout=10)


def test_workers_get_no_password_of_the_database(slurm, story):
    """The file of their variables is private, and holds the API's password but not the database's."""
    assert slurm.environment_file.stat().st_mode & 0o777 == 0o600
    names = {line.partition("=")[0] for line in slurm.environment_file.read_text().splitlines()}
    assert {"PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "DAWIN_STORE", "AWS_ENDPOINT_URL", "PATH"} <= names
    assert not {name for name in names if "DATABASE" in name or name.startswith("SLURM")}
