"""Examples that several tests share, each built and run once."""

import subprocess
from pathlib import Path

import exports
import multi_task as tasks_example
import pytest
import runs
import tiny


@pytest.fixture(scope="session")
def example(tmp_path_factory, prefect_api):
    """An experiment of two models and two data sets that was run once: its folder, file, store and results."""
    folder = tmp_path_factory.mktemp("example")
    file, store = tiny.experiment(folder), str(folder / "store")
    return folder, file, store, runs.run(file, store)


@pytest.fixture
def copied(example, tmp_path):
    """A copy of the example for a test to change."""
    folder, file, _, rows = example
    target = tmp_path / "copy"
    subprocess.run(["cp", "-a", folder, target], check=True)  # keeps the times of the images
    return target, str(target / Path(file).name), str(target / "store"), rows


@pytest.fixture(scope="session")
def multi_task(tmp_path_factory):
    """The folder of three tasks: checkpoints, heads, images, `multi.yaml`."""
    return tasks_example.build(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="session")
def table(multi_task, prefect_api):
    """Result rows of every method on every task, and the store's address."""
    store = str(multi_task / "store")
    return runs.run(multi_task / "multi.yaml", store), store


@pytest.fixture(scope="session")
def whole_clips(tmp_path_factory, prefect_api):
    """Two whole CLIPs that were run: the experiment's folder, its file, its store and the results."""
    folder = tmp_path_factory.mktemp("whole-clips")
    baselines = ["individual", "wise-ft", "output-ensemble", "classifier-selection", "oracle", "random", "ties/0.30"]
    file, store = exports.build(folder, baselines=baselines), str(folder / "store")
    return folder, file, store, runs.run(file, store)


@pytest.fixture(scope="session")
def tab():
    """Opens a tab of a browser: `tab(width=420, dark=True).open(path)`."""
    import chromium

    with chromium.browser() as opened:
        yield opened
