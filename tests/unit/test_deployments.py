"""prefect.yaml, strictly: Prefect itself takes misspelt keys and parameters that do not exist in silence."""

import importlib
import inspect
import json
import re
from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

from flows.cluster import DEPLOYMENT, ON_WORKERS
from flows.watch_checkpoints import RUN

ROOT = Path(__file__).parents[2]
CONTENT = yaml.safe_load((ROOT / "prefect.yaml").read_text())
KEYS = {
    "name", "entrypoint", "description", "tags", "parameters", "schedules", "triggers", "work_pool",
    "concurrency_limit",
}  # fmt: skip
VARIABLES = {"DAWIN_GPU_POOL", "DAWIN_CPU_POOL", "DAWIN_EXPERIMENT", "DAWIN_STORE"}


def flow_of(deployment):
    module, _, name = deployment["entrypoint"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_file_holds_what_prefect_reads():
    """No other key, at the top."""
    assert set(CONTENT) == {"name", "prefect-version", "definitions", "deployments"}
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
    assert set(deployment["work_pool"]) == {"name"}
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


def test_infra_files_are_well_formed():
    """YAML and JSON; the job asks for a GPU; images and commands are there."""
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
    assert {"database", "s3", "server", "setup", "cpu", "gpu"} == set(compose["services"])
    template = json.loads((ROOT / "infra" / "kubernetes" / "gpu-job-template.json").read_text())
    container = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    assert used <= set(template["variables"]["properties"])
