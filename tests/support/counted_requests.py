"""Count the requests that a moto server of this process gets, from this process and from others."""

import collections
import contextlib
import threading
import urllib.parse
from typing import NamedTuple

from moto.moto_server.werkzeug_app import DomainDispatcherApplication


class Request(NamedTuple):
    """One request to the server."""

    operation: str
    """LIST, HEAD, GET, PUT, COPY, DELETE, or the name of one step of an upload in parts."""
    key: str
    """The object's key; of a LIST, its prefix."""
    conditional: bool
    """Whether it holds only for a key that is free, or for an object with a known ETag."""


class Counted:
    """The requests to a bucket while a `with` block runs, in their order."""

    def __init__(self):
        self.made: list[Request] = []
        self._lock = threading.Lock()

    def __len__(self):
        return len(self.made)

    @property
    def total(self):
        """The number of requests."""
        return len(self.made)

    @property
    def operations(self):
        """The number of requests by operation."""
        return collections.Counter(request.operation for request in self.made)

    def keys(self, operation=None):
        """The keys of the requests of one operation (default: of all), one entry for each request."""
        return [request.key for request in self.made if operation in (None, request.operation)]

    def table(self):
        """The counts as one line, such as `GET 12, LIST 3, PUT 8; 23 requests`."""
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.operations.items()))
        return f"{counts or 'none'}; {self.total} requests"

    def add(self, request):
        """Count a request."""
        with self._lock:
            self.made.append(request)


@contextlib.contextmanager
def counted(address, on_request=None):
    """Count the requests to the bucket of an address, such as `requests.operations["GET"]` or `requests.total`.

    Args:
        address: an address in the bucket, such as the fixture `s3`.
        on_request: called with each request on a thread of the server, before the answer.
    """
    bucket = address.removeprefix("s3://").partition("/")[0]
    requests, answer = Counted(), DomainDispatcherApplication.__call__

    def counting(application, environ, start_response):
        place, _, key = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        if place == bucket:
            request = _request(environ, key)
            requests.add(request)
            if on_request:
                on_request(request)
        return answer(application, environ, start_response)

    DomainDispatcherApplication.__call__ = counting
    try:
        yield requests
    finally:
        DomainDispatcherApplication.__call__ = answer


def _request(environ, key):
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    conditional = "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ
    operation = _operation(environ["REQUEST_METHOD"], key, query, environ)
    return Request(operation, key or query.get("prefix", [""])[0], conditional)


def _operation(method, key, query, environ):
    if method == "POST" and "uploads" in query:
        return "CREATE UPLOAD"
    if "uploadId" in query:
        return {"POST": "COMPLETE UPLOAD", "PUT": "PUT PART", "DELETE": "ABORT UPLOAD"}.get(method, "LIST PARTS")
    if method == "GET" and not key:
        return "LIST UPLOADS" if "uploads" in query else "LIST"
    if method == "PUT" and "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return "COPY"
    return "DELETE" if method == "POST" else method
