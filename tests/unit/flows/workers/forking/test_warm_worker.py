"""The worker type `warm-process`, as Prefect finds and configures it."""

import asyncio
import sys
import tomllib
import uuid
from pathlib import Path

from prefect.client.schemas.objects import FlowRun
from prefect.workers.process import ProcessWorker

from flows.workers.forking import stand_in
from flows.workers.forking.warm_worker import STAND_IN, WarmProcessJobConfiguration, WarmProcessWorker

ROOT = Path(__file__).parents[5]


def configured(**values):
    template = WarmProcessWorker.get_default_base_job_template()
    made = asyncio.run(WarmProcessJobConfiguration.from_template_and_values(template, values, client=object()))
    made.prepare_for_flow_run(FlowRun(id=uuid.uuid4(), name="a", flow_id=uuid.uuid4()))
    return made


def test_prefect_finds_the_type_by_the_project_s_entry_point():
    """The entry point names the module of the class, and the class its type."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["prefect.collections"] == {"dawin": WarmProcessWorker.__module__}
    assert WarmProcessWorker.get_worker_class_from_type("warm-process") is WarmProcessWorker


def test_a_run_without_a_command_starts_the_stand_in(tmp_path):
    """The default template has the job variables of a process worker, and no command."""
    made = configured(env={"A": "b"}, working_dir=str(tmp_path), stream_output=False)
    assert made.command == STAND_IN
    assert made._command_configured, "Prefect's supervisor, which loads Prefect again, does not start"
    assert (made.env["A"], made.working_dir, made.stream_output) == ("b", tmp_path, False)


def test_a_command_of_the_run_stays():
    """A pool or a deployment may still choose a program of its own."""
    assert configured(command="python -m mine").command == "python -m mine"


def test_the_stand_in_loads_nothing_of_the_project():
    """Its start takes milliseconds: an isolated Python without site-packages runs one file of the standard library."""
    assert STAND_IN.split()[:3] == [sys.executable, "-I", "-S"]
    imported = [
        line.split()[1]
        for line in Path(stand_in.__file__).read_text().splitlines()
        if line.startswith(("import", "from"))
    ]
    assert set(imported) <= {*sys.stdlib_module_names, "collections.abc"}


def test_a_worker_that_ends_takes_no_run(monkeypatch):
    """A look that was under way when it began to end may have found some; another worker takes them."""
    taken = []

    async def take(_, flow_run_response):
        taken.extend(flow_run_response)
        return flow_run_response

    monkeypatch.setattr(ProcessWorker, "_submit_scheduled_flow_runs", take)
    worker = WarmProcessWorker(work_pool_name="gpu")
    for is_setup in (True, False):
        worker.is_setup = is_setup
        asyncio.run(worker._submit_scheduled_flow_runs(["a run"]))
    assert taken == ["a run"]
