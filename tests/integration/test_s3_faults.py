"""Runs and readers on an S3 that fails now and then, or from a certain moment on for good."""

import json
import os
import subprocess
import sys

import faulty_s3
import polars as pl
import pytest
import runs
from faulty_s3 import FAULTS, PERMANENT, FaultyS3

from flows.cli import main
from flows.reports.tables import results_of
from storage import keys, scan
from storage.manifests import committed, read_manifest
from storage.pointers import latest_run
from storage.s3_filesystem import S3
from storage.soundness import report_again, states
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.slow]

MEASURED = ["seconds", "images_per_second", "device", "software", "created_at"]
"""The columns of results that differ from run to run."""
CAUSES = {"refused": r"Could not connect.*", "503": "it answered 503.*", "silent": r"Read timeout.*", "403": ".*"}


@pytest.fixture
def faulty(s3, s3_server, monkeypatch):
    """Start a proxy in front of the S3 server, to which the AWS variables lead then: `faulty(probability=0.2)`."""
    started = []

    def start(**options):
        S3.clear_instance_cache()
        started.append(FaultyS3(s3_server, **options))
        monkeypatch.setenv("AWS_ENDPOINT_URL", started[-1].url)
        return started[-1]

    monkeypatch.setattr(faulty_s3, "_LONGEST_DELAY", 0.05)
    yield start
    for proxy in started:
        proxy.__exit__()


def values(rows):
    """Return the columns of results that no clock and no machine decides, in one order."""
    return rows.drop(MEASURED, strict=False).sort("method", "dataset", "metric")


def manifests(store):
    """Return the manifest of each committed object of a store."""
    return {key: read_manifest(store, key) for key in committed(store, "") if not key.startswith("catalogue/")}


def check_sound(store):
    """Check that every committed object of a store is whole."""
    report_again()
    faults = {key: fault for key, fault in states(store, "", contents=True).items() if fault is not None}
    assert faults == {}


@pytest.mark.parametrize("probability", [0.05, 0.2])
def test_a_run_and_its_readers_survive_faults_that_pass(example, s3, faulty, capsys, probability):
    """Every kind of fault is met, the results equal those of a sound store bit for bit, and every object is whole."""
    _, file, _, rows = example
    proxy = faulty(probability=probability, seed=1)
    found = runs.run(file, f"{s3}/store")
    assert values(found).equals(values(rows))
    assert sum(proxy.injected.values()) > 5
    shown = {}
    for proxy.probability in (0.2, 0.0):
        for command in (["results", "tiny", "--json"], ["compare", "tiny", "--json"], ["leaderboard"]):
            assert main([*command, "--store", f"{s3}/store"]) == 0
            shown.setdefault(command[0], []).append(capsys.readouterr().out)
        tables = [scan(table, store=f"{s3}/store").collect() for table in ("results", "outputs", "predictions")]
        shown.setdefault("scan", []).append([table.sort(table.columns[:2]).to_dicts() for table in tables])
    assert all(before == after for before, after in shown.values())
    assert min(proxy.injected[kind] for kind in FAULTS) > 0, proxy.injected
    check_sound(Store(f"{s3}/store"))


def test_a_store_that_fails_for_good_ends_every_command_in_one_line(example, s3, s3_server, tmp_path):
    """Whether it refuses, is busy, is silent or denies: exit status 2, and one line with the store and the cause."""
    _, file, _, _ = example
    commands = {"run": ["run", file], "results": ["results", "tiny"], "leaderboard": ["leaderboard"]}
    started = []
    for kind, command in zip((*PERMANENT, "503"), ("run", "results", "run", "run", "leaderboard"), strict=True):
        proxy = FaultyS3(s3_server)
        proxy.fail(kind)
        words = [sys.executable, "-m", "flows.cli", *commands[command], "--store", f"{s3}/store"]
        environment = {**os.environ, "AWS_ENDPOINT_URL": proxy.url}
        process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append((kind, proxy, process))
    for kind, proxy, process in started:
        with proxy:
            output, error = process.communicate(timeout=90)  # they share two processors while they start
        assert (process.returncode, output) == (2, ""), (kind, error)
        assert error.count("\n") == 1, error
        assert pl.Series([error]).str.contains(rf"dawin: .*{s3}/store.*: .* \({CAUSES[kind]}\); check AWS_")[0], error


@pytest.fixture
def hurried(monkeypatch):
    """Requests are given up after half a second, in which a server may be silent."""
    monkeypatch.setattr(S3, "patience", 0.5)
    monkeypatch.setattr(S3, "read_timeout", 0.5)


def test_a_run_whose_store_is_lost_on_the_way_continues_later(example, s3, faulty, hurried, capsys):
    """Each way to lose a store ends the run with status 2 and one line; nothing committed is torn or computed again."""
    _, file, _, rows = example
    proxy, store = faulty(), Store(f"{s3}/store")
    kept = {}
    for kind in PERMANENT:
        proxy.fail(kind, after=30)
        status = main(["run", file, "-q", "--store", store.url])
        error = capsys.readouterr().err
        assert status == 2, error
        assert f"{store.url}" in error.splitlines()[-1]
        assert error.count("\n") == 1, error
        proxy.heal()
        S3.clear_instance_cache()
        check_sound(store)
        now = manifests(store)
        assert {key: now.get(key) for key in kept} == kept
        kept = now
    assert kept
    assert main(["run", file, "-q", "--store", store.url]) == 0
    now = manifests(store)
    assert {key: now.get(key) for key in kept} == kept
    found = results_of(store, "tiny", latest_run(store, "tiny"))
    assert values(found).equals(values(rows))
    assert json.loads(store.read(keys.latest("tiny")))
