"""`docs/extending.md` followed to the letter in a copy of the packages: files are written, lines added, `dawin` run."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import tiny
from pages import DOCS, ROOT, files

from storage import scan

pytestmark = pytest.mark.slow

_LINE = re.compile(r'The line in `(?P<registry>[a-z_/]+\.py)` is `(?P<line>"[a-z_]+"),?` in the list of files')


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the packages with every file of the page, and the line that the page gives for its registry."""
    copy = tmp_path_factory.mktemp("packages")
    for package in ("flows", "tasks", "storage"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, content in files("extending.md").items():
        assert not (copy / path).exists(), path
        (copy / path).write_text(content)
    text = " ".join((DOCS / "extending.md").read_text().split())
    lines = {(found["registry"], found["line"]) for found in _LINE.finditer(text)}
    assert len(lines) == 5  # two methods, a reader, a family, a metric
    for registry, line in lines:
        before = (copy / registry).read_text()
        after = before.replace("_FILES = (\n", f"_FILES = (\n    {line},\n", 1)
        assert after != before, registry
        (copy / registry).write_text(after)
    return copy


def test_a_method_and_a_metric_are_a_file_and_a_line_each(extended, tmp_path):
    """With nothing else changed, `dawin run` has rows of the new methods, and the new metric for every method."""
    file = tiny.experiment(tmp_path, samples=12, baselines=["individual", "half-base", "gini"])
    store = str(tmp_path / "store")
    environment = {**os.environ, "PYTHONPATH": str(extended), "PREFECT_HOME": str(tmp_path / "prefect")}
    environment.pop("PREFECT_API_URL", None)
    command = [sys.executable, "-P", "-m", "flows.cli", "run", file, "--store", store]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    results = scan("results", store=store).collect()
    assert {"half-base", "gini/samples"} <= set(results["method"])
    assert set(results.filter(metric="sure_errors")["method"]) == set(results["method"])
    assert results.filter(metric="sure_errors")["value"].is_between(0, 1).all()
    assert "half-base" in ended.stdout
