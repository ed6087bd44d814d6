"""The log of a run in the Prefect UI: the numbers that its reader looks for."""

import re
import sqlite3
import subprocess
import sys

import pytest
import tiny
from embedded import environment

from flows.reports.tables import results_of
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.slow]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The log of each flow run by the run's name, and the result rows."""
    folder = tmp_path_factory.mktemp("log")
    file, home, store = tiny.experiment(folder), folder / "prefect", str(folder / "store")
    command = [sys.executable, "-m", "flows.cli", "run", file, "--store", store]
    subprocess.run(command, env=environment(home), check=True, capture_output=True)
    database = sqlite3.connect(home / "prefect.db")
    lines = (
        "SELECT flow_run.name, log.message FROM log JOIN flow_run ON flow_run.id = log.flow_run_id ORDER BY timestamp"
    )
    logs = {}
    for name, message in database.execute(lines):
        logs[name] = f"{logs.get(name, '')}{message}\n"
    database.close()
    return logs, results_of(Store(store), "tiny")


def test_a_child_that_extracts_logs_its_samples_its_rate_and_the_accuracies(finished):
    """The accuracies are those of the results."""
    logs, rows = finished
    shown = logs["extract one: base, tuned"]
    assert re.search(r"extract one: 60 predictions in [\d.]+ s, \d+ a second", shown)
    base = rows.filter(metric="top1", method="individual/base", dataset="one")["value"].item()
    assert f"top-1 accuracy on one (30 samples), %: base {100 * base:.1f}, tuned " in shown


def test_a_child_that_evaluates_logs_the_accuracy_of_every_method(finished):
    """Each method that the child's predictions answer for is named."""
    logs, rows = finished
    value = rows.filter(metric="top1", method="dawin/samples", dataset="two")["value"].item()
    shown = next(text for name, text in logs.items() if name.startswith("evaluate two"))
    assert f"dawin/samples {100 * value:.1f}" in shown
    assert "wise-ft/0.50 " in shown


def test_the_parent_logs_coefficients_and_clusters(finished):
    """The mean coefficient of each model, and the size of each cluster."""
    shown = finished[0]["tiny: tuned.pt"]
    assert re.search(r"data set one: mean entropy coefficients of 30 samples: base 0\.\d\d, tuned 0\.\d\d", shown)
    sizes = re.search(r"data set one: 2 clusters of (\d+), (\d+) samples", shown)
    assert int(sizes[1]) + int(sizes[2]) == 30


def test_the_aggregation_logs_the_mean_of_each_method(finished):
    """One line for each method, with the mean over each group."""
    assert re.search(r"dawin/samples: top-1 accuracy, %: mean \w+ \d+\.\d", finished[0]["aggregate tiny"])
