"""Every command of Prefect's in the documentation and in infra takes its options; none of them is run."""

import re
import shlex
from pathlib import Path

import pytest
from code_blocks import all_blocks, commands_of
from image_file import command_faults

ROOT = Path(__file__).parents[3]


def prefect_commands(text):
    """The commands in a line of a shell, without variables that are set before them, loops and comments."""
    found = re.findall(r"\bprefect [a-z-].*?(?=\s+done\b|[;&|]|$)", text)
    return [shlex.split(command, comments=True) for command in found]


def documented():
    return sorted({
        shlex.join(command)
        for block in all_blocks("console")
        for line in commands_of(block)
        for command in prefect_commands(line.text)
    })  # fmt: skip


@pytest.mark.parametrize("command", documented())
def test_a_command_on_a_page_exists(command):
    """Prefect knows it and each of its options, and the files of the project that it names exist."""
    assert command_faults(shlex.split(command), ROOT) == []


def test_pages_have_such_commands():
    """The pages say how to create pools, deploy and start workers."""
    assert len(documented()) >= 5


@pytest.mark.parametrize("name", ["systemd/dawin-worker@.service", "gpu-workers.sh"])
def test_a_worker_of_infra_is_started_with_options_that_exist(name):
    """The unit and the script for machines without containers start a worker of a pool."""
    lines = [line for line in (ROOT / "infra" / name).read_text().splitlines() if "prefect worker" in line]
    found = [command for line in lines for command in prefect_commands(line)]
    assert [command[:3] for command in found] == [["prefect", "worker", "start"]]
    assert command_faults(found[0], ROOT) == []
