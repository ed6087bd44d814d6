"""Servers that tests share: S3 (moto) on a free port, Prefect's API in a folder of its own."""

import contextlib
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from types import SimpleNamespace

import pytest

# before any test imports prefect: no telemetry, and a run's logs stay out of a missing API
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
for _service in ("EVENT_PERSISTER", "TRIGGERS", "SCHEDULER", "LATE_RUNS"):  # as the command line starts it
    os.environ.setdefault(f"PREFECT_SERVER_SERVICES_{_service}_ENABLED", "false")


@pytest.fixture(scope="session")
def s3_server():
    """The endpoint of an S3 server on a port of its own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """The address of an empty bucket, the AWS variables set for it."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
    yield f"s3://{bucket}"
    from storage.s3_filesystem import S3

    S3.clear_instance_cache()


@pytest.fixture
def hub_api(monkeypatch, tmp_path):
    """A stand-in of the Hub's API, which the Hub's library speaks to with a token; its retries take no time."""
    from hub_api import TOKEN, HubApi

    with HubApi() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(
            "huggingface_hub.utils._http.time", SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
        )
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory):
    """The embedded API for the session, on a folder of its own; child processes and the command line find it too.

    Not Prefect's own test harness: a server on SQLite that now and then stands still (`flows.workers.api_database`).
    """
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("PREFECT_API_URL", url)
        # a session of its own: an interrupt from the keyboard ends the tests, which then end it
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.workers.api_process", str(port)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _wait_for(f"{url}/health", server)
            with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home}):
                yield
                APILogWorker.drain_all(timeout=10)  # logs sent later, to no server, would hold up the exit for a minute
        finally:
            server.kill()  # it would wait for the connections that this process keeps open; its folder is the tests'
            server.communicate()


def _wait_for(url, server):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError(f"Prefect's API did not start (exit status {server.poll()})")


@pytest.fixture
def memory():
    """The address of an empty in-memory store."""
    import fsspec

    yield f"memory://{uuid.uuid4().hex}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(scope="session")
def confined():
    """Runs the command line under limits of memory and time: `confined("plan", file, folder=…)`."""
    from confined import Confined

    server = Confined()
    yield server
    server.close()
