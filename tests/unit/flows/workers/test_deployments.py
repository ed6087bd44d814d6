"""prefect.yaml, strictly: Prefect itself takes misspelt keys and parameters that do not exist in silence."""

import asyncio
import importlib
import inspect
import json
import os
import re
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


def test_the_file_holds_what_prefect_reads():
    """No other key, at the top."""
    assert set(CONTENT) == {"name", "prefect-version", "pull", "definitions", "deployments"}
    assert CONTENT["pull"] == [], "left out, workers would go into the folder that this was deployed from"
    assert CONTENT["prefect-version"] == importlib.import_module("prefect").__version__


@pytest.mark.parametrize("deployment", CONTENT["deployments"], ids=lambda d: d["entrypoint"])
def test_each_deployment_is_what_it_says(deployment):
    """Known keys; an entry point that is a module's flow; parameters of that flow; pools by variable."""
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
    assert "concurrency_limit" not in deployment, "a lease that a server's new start takes from every child"
    assert deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert flow is child_flow(flow.name), "children are found by their names"
    for schedule in deployment.get("schedules", ()):
        assert set(schedule) <= {"cron", "timezone", "active"}


def test_what_the_code_calls_is_deployed():
    """The children that a pool runs, and the run that a checkpoint starts."""
    names = {f"{flow_of(d).name}/{d['name']}" for d in CONTENT["deployments"]}
    assert {f"{flow}/{DEPLOYMENT}" for flow in ON_WORKERS} | {RUN, "watch-checkpoints/watch"} <= names


def test_variables_are_those_that_the_docs_name():
    """An unset one would become an empty string."""
    assert set(re.findall(r"\$([A-Z_]+)", (ROOT / "prefect.yaml").read_text())) == VARIABLES
    told = (ROOT / "infra" / "README.md").read_text()
    assert all(name in told for name in VARIABLES)


def test_compose_is_what_it_should_be():
    """Services; whole commands, since the image has no entry point; memory that readers share; pools by template."""
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
    services = compose["services"]
    assert {"database", "s3", "server", "setup", "cpu", "gpu"} == set(services)
    assert "ENTRYPOINT" not in (ROOT / "infra" / "Dockerfile").read_text()
    assert [services[name]["command"].split()[0] for name in ("server", "cpu", "gpu")] == ["prefect", "prefect", "sh"]
    assert services["gpu"]["deploy"]["resources"]["reservations"]["devices"][0]["count"] == "all"
    assert services["cpu"]["shm_size"] == services["gpu"]["shm_size"] == "8gb"
    assert "--base-job-template infra/process/job-template.json" in services["setup"]["command"][-1]
    assert set(re.findall(r"service_\w+", str(services))) <= {
        "service_healthy", "service_started", "service_completed_successfully",
    }  # fmt: skip


async def filled(configuration, template, **values):
    content = json.loads((ROOT / "infra" / template / "job-template.json").read_text())
    made = await configuration.from_template_and_values(content, values, client=object())
    made.prepare_for_flow_run(FlowRun(id=uuid.uuid4(), name="extract one: a, b", flow_id=uuid.uuid4()))
    return made


def test_a_kubernetes_worker_makes_a_job_of_the_template():
    """As it reads it: one GPU, its node chosen, credentials, shared memory for the readers, our environment."""
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
    """And not Prefect's supervisor before it."""
    from prefect.workers.process import ProcessJobConfiguration

    made = asyncio.run(filled(ProcessJobConfiguration, "process", env={"A": "b"}))
    assert made.command == "python -m flows.workers.engine"
    assert made._command_configured
    assert made.env["A"] == "b"


def test_each_gpu_gets_a_worker_of_its_own(tmp_path):
    """With programs that stand in for NVIDIA's and Prefect's; without a GPU it is an error."""
    for name, program in {
        "nvidia-smi": 'printf "$GPUS"',
        "prefect": 'echo "$CUDA_VISIBLE_DEVICES: $*" >> "$SEEN"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{program}\n")
        (tmp_path / name).chmod(0o755)
    command = ["sh", str(ROOT / "infra" / "gpu-workers.sh"), "gpu"]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SEEN": str(tmp_path / "seen"), "GPUS": "0\n3\n"}
    subprocess.run(command, env=environment, check=True)
    seen = sorted((tmp_path / "seen").read_text().splitlines())
    names = [f"--name {socket.gethostname()}-gpu{gpu} --limit 1" for gpu in (0, 3)]
    assert seen == [f"{gpu}: worker start --pool gpu {name}" for gpu, name in zip((0, 3), names, strict=True)]
    ended = subprocess.run(command, env={**environment, "GPUS": ""}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "gpu-workers.sh: nvidia-smi sees no GPU\n")


def test_the_unit_of_systemd_names_programs_of_the_environment():
    """A worker's children are started by the `python` in its PATH."""
    unit = (ROOT / "infra" / "systemd" / "dawin-worker@.service").read_text()
    program = re.search(r"ExecStart=(\S+)/prefect worker start", unit)[1]
    assert f"Environment=PATH={program}:" in unit


def test_a_run_of_the_engine_ends_as_prefects_own(tmp_path):
    """A run that is not there: the status of an error, the message, and what was registered for the end is done."""
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
