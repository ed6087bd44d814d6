"""The Dockerfile and .dockerignore against the project; broken copies are refused."""

import re
import subprocess
from pathlib import Path

import pytest
from compose_file import IN_ADDRESS
from image_file import faults, leaves_out

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "infra" / "Dockerfile").read_text()
IGNORED = (ROOT / ".dockerignore").read_text()


def test_the_dockerfile_has_no_fault():
    """It copies every package and each file that it uses, and starts a command that exists."""
    assert faults(TEXT, ROOT, ignored=IGNORED) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("COPY dawin dawin\n", "", "COPY: dawin is part of the package and is not copied"),
        ("COPY flows flows", "COPY flow flows", "COPY flow: the project has no such file"),
        ("COPY infra infra", "COPY infra infra\nCOPY docs docs", "COPY docs: .dockerignore leaves it out"),
        ("constraints.txt README.md", "README.md", "RUN: constraints.txt is not copied"),
        ('ARG TORCH_INDEX=""', "ARG INDEX", "RUN: $TORCH_INDEX is no ARG or ENV before it"),
        ("USER dawin", "USER prefect", "USER prefect: no step adds this user"),
        ('"--limit", "1"', '"--limits", "1"', "Unknown option"),
        ("CMD [", 'ENTRYPOINT ["sh"]\nCMD [', "ENTRYPOINT: work pools give the whole command"),
    ],
)
def test_a_broken_copy_is_refused(old, new, fault):
    """Each change that a build or the start of a container would stumble over is found."""
    assert old in TEXT
    assert any(fault in line for line in faults(TEXT.replace(old, new, 1), ROOT, ignored=IGNORED))


@pytest.mark.parametrize(
    "path", [".env", "infra/.env", ".git/config", ".venv/bin/python", "dawin-store/x", "tests/a.py"]
)
def test_an_image_gets_no_passwords_and_no_environment(path):
    """Files with passwords, the history and what users keep in the folder are never sent to the builder."""
    assert leaves_out(IGNORED, path)


@pytest.mark.parametrize("path", ["infra/heartbeats.py", "pyproject.toml", "tasks/methods/registry.py"])
def test_an_image_gets_the_project(path):
    """Files of the packages are sent to the builder."""
    assert not leaves_out(IGNORED, path)


def test_no_file_of_the_project_holds_a_password():
    """No file outside of the tests sets a password or puts one into an address; examples have capitals or variables."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in listed.stdout.splitlines():
        if name.startswith(("tests/", "benchmarks/")) or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_bytes().decode(errors="replace")
        secrets = [match["password"] for match in IN_ADDRESS.finditer(text)]
        secrets += re.findall(r"(?im)^[^#\n]*?\w*(?:password|secret_(?:access_)?key)\w*\s*[:=]\s*([\w-]+)\s*$", text)
        found += [f"{name}: {secret}" for secret in secrets if not (secret.isupper() or secret.startswith("{"))]
    assert found == []
