"""An S3 server (moto) in this process that counts the requests to it, for benchmarks."""

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Requests = Counter[tuple[str, str]]
"""Requests by operation (`LIST`, `GET`, `HEAD`, `PUT`, `POST`, `DELETE`) and by path in the bucket, empty for LIST."""


@contextmanager
def counted_s3(bucket: str) -> Iterator[Requests]:
    """Serve S3 with an empty bucket, lead this process and its children there, and yield the counts.

    Args:
        bucket: the name of the bucket whose requests count.
    """
    import boto3
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from moto.server import ThreadedMotoServer

    made, answer = Requests(), DomainDispatcherApplication.__call__

    def counting(application: Any, environ: dict[str, Any], start: Any) -> Any:
        asked, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        if asked == bucket:
            is_list = environ["REQUEST_METHOD"] == "GET" and not key
            made["LIST" if is_list else environ["REQUEST_METHOD"], key] += 1
        return answer(application, environ, start)

    DomainDispatcherApplication.__call__ = counting  # type: ignore[method-assign]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
    made.clear()
    try:
        yield made
    finally:
        server.stop()
        DomainDispatcherApplication.__call__ = answer  # type: ignore[method-assign]
