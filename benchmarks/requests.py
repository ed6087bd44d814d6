"""Requests to S3 of a small run and of the same run again, by operation and by the folder of the store.

Two tiny models run on six data sets of 40 images with the default methods, each time in a new process. A server on
this machine (moto) counts.
"""

import logging
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.embedded_runs import make_example
from benchmarks.options import options
from benchmarks.reporting import report

_BUCKET = "bucket"
_STORE = f"s3://{_BUCKET}/store"

Made = Counter[tuple[str, str]]
"""Requests by operation and folder."""


@contextmanager
def _server() -> Iterator[Made]:
    """Serve S3 from this process, and count the requests to the store."""
    import boto3
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from moto.server import ThreadedMotoServer

    made, answer = Made(), DomainDispatcherApplication.__call__

    def counting(application: Any, environ: dict[str, Any], start: Any) -> Any:
        bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        if bucket == _BUCKET:
            method = environ["REQUEST_METHOD"]
            is_list = method == "GET" and not key
            folder = key.removeprefix("store/").partition("/")[0]
            made["LIST" if is_list else method, "" if is_list else folder] += 1
        return answer(application, environ, start)

    DomainDispatcherApplication.__call__ = counting  # type: ignore[method-assign]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=_BUCKET)
    made.clear()
    try:
        yield made
    finally:
        server.stop()
        DomainDispatcherApplication.__call__ = answer  # type: ignore[method-assign]


def _with_default_methods(file: Path) -> Path:
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({name: content[name] for name in ("name", "models", "datasets")}))
    return file


def main() -> None:
    """Run twice and print the table."""
    arguments = options(__doc__).parse_args()
    counts = {}
    with tempfile.TemporaryDirectory() as name, _server() as made:
        file = _with_default_methods(make_example(Path(name) / "example"))
        home = {**os.environ, "PREFECT_HOME": f"{name}/prefect"}
        command = [sys.executable, "-m", "flows.cli", "run", str(file), "--store", _STORE, "-q"]
        for run in ("first run", "the same again"):
            made.clear()
            subprocess.run(command, env=home, check=True, stdout=subprocess.DEVNULL)
            counts[run] = Made(made)
    asked = sorted({of for count in counts.values() for of in count})
    rows: list[dict[str, Any]] = [
        {"operation": operation, "folder": folder, **{run: counts[run][operation, folder] for run in counts}}
        for operation, folder in asked
    ]
    rows.append({"operation": "all", "folder": "", **{run: count.total() for run, count in counts.items()}})
    report("requests", rows, arguments)


if __name__ == "__main__":
    sys.exit(main())
