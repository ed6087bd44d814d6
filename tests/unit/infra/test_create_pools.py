"""The program that creates work pools, against a Prefect API."""

import asyncio
import json
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "infra"))

from create_pools import main

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture
def name():
    """The name of a pool that nobody has created."""
    return f"pool-{uuid.uuid4().hex[:8]}"


def read(name):
    from prefect.client.orchestration import get_client

    async def ask():
        async with get_client() as client:
            return await client.read_work_pool(name)

    return asyncio.run(ask())


def test_a_pool_is_created_with_the_template_of_its_type(name):
    """By default it is warm, and its runs have the variables of a process."""
    assert main([name, f"{name}-2"]) == 0
    assert read(name).type == read(f"{name}-2").type == "warm-process"
    assert "working_dir" in read(name).base_job_template["variables"]["properties"]


def test_a_pool_that_exists_keeps_its_variables(name, tmp_path):
    """Such as the image that somebody has chosen for a Kubernetes pool."""
    for text in ("first", "second"):
        file = tmp_path / f"{text}.json"
        file.write_text(json.dumps({"job_configuration": {"command": text}, "variables": {"properties": {}}}))
        assert main(["--type", "process", "--base-job-template", str(file), name]) == 0
    assert read(name).base_job_template["job_configuration"]["command"] == "first"


def test_a_pool_of_another_type_is_refused(name, capsys):
    """Prefect cannot change a type; the line names both, and the command that deletes the pool."""
    assert main(["--type", "process", name]) == 0
    assert main([name]) == 1
    assert capsys.readouterr().err == (
        f"create_pools.py: work pool {name}: wanted the type warm-process, got process; "
        f"delete it with prefect work-pool delete {name}\n"
    )


def test_an_unknown_type_is_refused(name, capsys):
    """The line names it."""
    assert main(["--type", "no-such-type", name]) == 1
    assert "type of work pool no-such-type: no installed package" in capsys.readouterr().err
