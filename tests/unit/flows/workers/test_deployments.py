"""Strict checks of prefect.yaml and infra: Prefect accepts misspelt keys and unknown parameters without a word."""

import asyncio
import importlib
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.objects import FlowRun
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

from flows.watch_checkpoints import RUN
from flows.workers.dispatch import child_flow
from flows.workers.pool import DEPLOYMENT, ON_WORKERS

ROOT = Path(__file__).parents[4]
CONTENT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
KEYS = {
    "name", "entrypoint", "description", "tags", "parameters", "schedules", "triggers", "work_pool",
}  # fmt: skip
VARIABLES = {"DAWIN_GPU_POOL", "DAWIN_CPU_POOL", "DAWIN_EXPERIMENT", "DAWIN_WATCH", "DAWIN_STORE"}


def flow_of(deployment):
    module, _, name = deployment["entrypoint"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_file_has_only_keys_that_prefect_reads():
    """No other key is at the top level, and the version is that of the installed Prefect."""
    assert set(CONTENT) == {"name", "prefect-version", "pull", "definitions", "deployments"}
    assert CONTENT["pull"] == [], "without it workers change to the folder of the deployment"
    assert CONTENT["prefect-version"] == importlib.import_module("prefect").__version__


@pytest.mark.parametrize("deployment", CONTENT["deployments"], ids=lambda d: d["entrypoint"])
def test_each_deployment_is_valid(deployment):
    """Keys are known, the entry point is a flow in a module, parameters are the flow's, the pool is a variable."""
    assert set(deployment) <= KEYS
    assert ":" not in deployment["entrypoint"]
    flow = flow_of(deployment)
    assert isinstance(flow, Flow)
    taken = inspect.signature(flow.fn).parameters
    assert set(deployment.get("parameters", {})) <= set(taken)
    for trigger in deployment.get("triggers", ()):
        assert set(trigger.get("parameters", {})) <= set(taken)
        made = DeploymentEventTrigger.model_validate({**trigger, "name": "x"})
        assert made.expect == {"checkpoint.landed"}
    assert set(deployment["work_pool"]) <= {"name", "job_variables"}
    assert set(deployment["work_pool"].get("job_variables", {})) <= {"env"}
    on_workers = flow.name in ON_WORKERS
    assert deployment["work_pool"]["name"] == ("{{ $DAWIN_GPU_POOL }}" if on_workers else "{{ $DAWIN_CPU_POOL }}")
    assert "concurrency_limit" not in deployment, "a restart of the server would end every child"
    assert deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert flow is child_flow(flow.name), "a parent finds a child by its name"
    for schedule in deployment.get("schedules", ()):
        assert set(schedule) <= {"cron", "timezone", "active"}


def test_every_deployment_that_the_code_starts_exists():
    """The children of a pool, the run of a new checkpoint and the watcher have deployments."""
    names = {f"{flow_of(d).name}/{d['name']}" for d in CONTENT["deployments"]}
    assert {f"{flow}/{DEPLOYMENT}" for flow in ON_WORKERS} | {RUN, "watch-checkpoints/watch"} <= names


def test_the_readme_names_every_variable_of_the_file():
    """An unset variable would become an empty string, so that users must know all of them."""
    assert set(re.findall(r"\$([A-Z_]+)", (ROOT / "prefect.yaml").read_text())) == VARIABLES
    readme = (ROOT / "infra" / "README.md").read_text()
    assert all(name in readme for name in VARIABLES)


def test_compose_starts_every_service_with_its_command():
    """The image has no entry point, loaders have shared memory, and workers fork their runs."""
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
    services = compose["services"]
    assert {"database", "s3", "server", "setup", "cpu", "gpu"} == set(services)
    assert "ENTRYPOINT" not in (ROOT / "infra" / "Dockerfile").read_text()
    assert [services[name]["command"].split()[0] for name in ("server", "cpu", "gpu")] == ["prefect", "prefect", "sh"]
    assert services["gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["count"] == "all"
    assert services["cpu"]["shm_size"] == services["gpu"]["shm_size"] == "8gb"
    assert "python infra/create_pools.py cpu gpu" in services["setup"]["command"][-1]
    assert set(re.findall(r"service_\w+", str(services))) <= {
        "service_healthy", "service_started", "service_completed_successfully",
    }  # fmt: skip


async def filled(configuration, template, **values):
    content = json.loads((ROOT / "infra" / template / "job-template.json").read_text())
    made = await configuration.from_template_and_values(content, values, client=object())
    made.prepare_for_flow_run(FlowRun(id=uuid.uuid4(), name="extract one: a, b", flow_id=uuid.uuid4()))
    return made


def test_a_kubernetes_worker_makes_a_valid_job_of_the_template():
    """The job has one GPU, the chosen node, the credentials, shared memory and our environment."""
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    nodes = {"nvidia.com/gpu.product": "NVIDIA-H100"}
    variables = {"env": {"DAWIN_GPU_POOL": "gpu"}, "node_selector": nodes}
    job = asyncio.run(filled(KubernetesWorkerJobConfiguration, "kubernetes", **variables)).job_manifest
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 1, "memory": "32Gi"}
    assert pod["nodeSelector"] == nodes
    assert {"name": "DAWIN_GPU_POOL", "value": "gpu"} in container["env"]
    assert container["envFrom"] == [{"secretRef": {"name": "dawin"}}]
    assert container["volumeMounts"][0]["mountPath"] == "/dev/shm"
    assert container["args"] == ["prefect", "flow-run", "execute"]
    assert "{{" not in json.dumps(job)


def test_a_process_worker_starts_our_engine():
    """The command of a flow run is `flows.workers.engine`, and not Prefect's supervisor."""
    from prefect.workers.process import ProcessJobConfiguration

    made = asyncio.run(filled(ProcessJobConfiguration, "process", env={"A": "b"}))
    assert made.command == "python -m flows.workers.engine"
    assert made._command_configured
    assert made.env["A"] == "b"


def started_workers(folder, worker, gpus):
    """Run gpu-workers.sh with scripts in place of the programs; return its end and the lines that workers wrote."""
    for name, program in {"nvidia-smi": 'printf "$GPUS"', "prefect": worker}.items():
        (folder / name).write_text(f"#!/bin/sh\n{program}\n")
        (folder / name).chmod(0o755)
    command = ["sh", str(ROOT / "infra" / "gpu-workers.sh"), "gpu"]
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "SEEN": str(folder / "seen"), "GPUS": gpus}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return ended, (folder / "seen").read_text().splitlines() if (folder / "seen").exists() else []


def test_each_gpu_gets_a_worker_of_its_own(tmp_path):
    """Each worker sees one GPU; a machine without a GPU is an error."""
    ended, seen = started_workers(tmp_path, 'echo "$CUDA_VISIBLE_DEVICES: $*" >> "$SEEN"', "0\n3\n")
    assert (ended.returncode, ended.stderr) == (0, "")
    names = [f"--name {socket.gethostname()}-gpu{gpu} --limit 1" for gpu in (0, 3)]
    assert sorted(seen) == [f"{gpu}: worker start --pool gpu {name}" for gpu, name in zip((0, 3), names, strict=True)]
    ended, _ = started_workers(tmp_path, "exit 1", "")
    assert (ended.returncode, ended.stderr) == (1, "gpu-workers.sh: nvidia-smi sees no GPU\n")


def test_a_worker_that_a_shell_started_can_be_drained(tmp_path):
    """Prefect turns SIGTERM into SIGINT, which programs in a script's background ignore; these workers do not."""
    ended, (ignored,) = started_workers(tmp_path, 'grep SigIgn: /proc/self/status >> "$SEEN"', "0\n")
    assert ended.returncode == 0
    assert not int(ignored.split()[1], 16) & 1 << (signal.SIGINT - 1)


def test_the_systemd_unit_starts_programs_of_one_environment():
    """The `python` first in a worker's PATH, which starts its children, is that of its own environment."""
    unit = (ROOT / "infra" / "systemd" / "dawin-worker@.service").read_text()
    program = re.search(r"ExecStart=(\S+)/prefect worker start", unit)[1]
    assert f"Environment=PATH={program}:" in unit


def test_the_engine_ends_like_prefects_own(tmp_path):
    """For an invalid run it prints the error, runs the registered exit handlers and exits with status 1."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, threading\natexit.register(print, 'at the end')\n"
        "threading._register_atexit(print, 'threads are waited for')"
    )
    environment = {**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}
    environment |= {"PYTHONPATH": str(tmp_path), "PREFECT__FLOW_RUN_ID": "no id"}
    command = [sys.executable, "-m", "flows.workers.engine"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Invalid flow run id" in ended.stderr
    assert ended.stdout.split("\n")[-3:] == ["threads are waited for", "at the end", ""]
