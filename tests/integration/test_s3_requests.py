"""The requests that a run of six data sets sends to S3, and those of the same run with nothing left to do."""

import subprocess
import sys

import boto3
import pytest
import six_sets
from counted_requests import counted

from flows.pages.report import report_html
from storage.pointers import latest_run
from storage.store import Store

FIRST, AGAIN = 250, 20


@pytest.fixture(scope="module")
def environment(s3_server):
    """The AWS variables of the server, and a bucket: set for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_ENDPOINT_URL", s3_server)
        patch.setenv("AWS_REGION", "us-east-1")
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="six-sets")
        yield "s3://six-sets/store"


@pytest.fixture(scope="module")
def runs(environment, tmp_path_factory, prefect_api):
    """The requests of two runs of the experiment, each by a process of its own, as `dawin run` starts one."""
    file = six_sets.build(tmp_path_factory.mktemp("six"))
    made = []
    for _ in range(2):
        with counted(environment) as requests:
            command = [sys.executable, "-m", "flows.cli", "run", file, "--store", environment, "-q"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made.append(requests)
    return made


@pytest.mark.slow
def test_a_run_of_six_sets_sends_two_puts_for_each_object_and_little_else(runs, environment):
    """It sends at most 250 requests for about 100 objects with manifests.

    98 objects are two PUTs each. Twenty PUTs more are the plan, records of checkpoints and cuts, the report, the
    pointer, the catalogue and the manifests left for the next process. The rest tries the store out, lists it and reads
    it: fewer than 30 requests.
    """
    first, _ = runs
    assert first.total <= FIRST, first.table()
    written = list(Store(environment).listing())
    assert len([key for key in written if key.endswith(".manifest.json")]) >= 98
    puts = first.keys("PUT")
    assert len(puts) == first.operations["PUT"]
    assert first.total - len(puts) < 30, first.table()
    tables = [key for key in puts if ".parquet" in key and "/catalogue/" not in key]
    assert len(tables) == len(set(tables)), "an object was written twice"
    assert all(request.conditional for request in first.made if request.key in tables and request.operation == "PUT")


@pytest.mark.slow
def test_a_run_with_nothing_to_do_sends_few_requests_in_a_new_process(runs):
    """It sends at most 20 requests, and writes no table."""
    _, again = runs
    assert again.total <= AGAIN, again.table()
    assert [key for key in again.keys("PUT") if ".parquet" in key] == []
    assert again.operations["LIST"] <= 2


@pytest.mark.slow
def test_a_report_reads_each_object_once(runs, environment):
    """A process that looks at the store once more for a page gets no object twice."""
    store = Store(environment)
    run = latest_run(store, "six")
    with counted(environment) as requests:
        assert "</html>" in report_html(store, "six", run)
    gets = [key for key in requests.keys("GET") if "/catalogue/" not in key and "/comparisons/" not in key]
    assert len(gets) == len(set(gets)), requests.table()
    assert requests.operations["LIST"] <= 3, requests.table()
