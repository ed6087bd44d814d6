"""A proxy in front of an S3 server that answers some requests with faults, or from a certain moment on all of them.

    with FaultyS3("http://127.0.0.1:5000", probability=0.2, seed=1) as proxy:
        os.environ["AWS_ENDPOINT_URL"] = proxy.url
        …
    assert all(proxy.injected[kind] for kind in FAULTS)

A request fails with the given probability. Its fault is the kind that fits the request and was injected least so far,
so that a few hundred requests meet all kinds.
"""

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from typing import NamedTuple
from urllib.parse import urlsplit

FAULTS = ("500", "503", "reset", "truncated", "unseen", "delay")
"""Kinds of faults that pass: a status; a connection reset before the server gets the request; a GET whose body ends
early; a write that succeeds although the client sees a reset; an answer that takes a while."""
PERMANENT = ("refused", "503", "silent", "403")
"""Kinds of failures that last: no connection; a status; a server that takes requests and never answers."""
_STATUS = {
    "500": ("500 Internal Server Error", "InternalError", "We encountered an internal error. Please try again."),
    "503": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
    "403": ("403 Forbidden", "AccessDenied", "Access Denied"),
}
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_LONGEST_DELAY = 0.3  # seconds


class Request(NamedTuple):
    """A request as a client sent it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class FaultyS3:
    """A proxy on a free port of 127.0.0.1; the end of a `with` block stops it.

    Args:
        server: the address of the S3 server.
        probability: of a fault in each request.
        seed: of the choice of the requests that fail.
        kinds: the faults to inject.
    """

    def __init__(self, server, *, probability=0.0, seed=0, kinds=FAULTS):
        self.server, self.probability, self.kinds = urlsplit(server).netloc, probability, kinds
        self.injected, self.requests = Counter(), 0
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._permanent, self._after = None, 0
        self._listener, self._open = None, set()
        self._stopped = threading.Event()
        self._listen(0)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._hang_up()
        return False

    def fail(self, kind, *, after=0):
        """Fail all requests in one way from now on, or once some more requests are answered."""
        self._after, self._permanent = self.requests + after, kind
        if kind == "refused" and not after:
            self._hang_up()

    def heal(self):
        """Answer all requests again."""
        self._permanent = None
        if self._listener is None:
            self._listen(self.port)

    def _listen(self, port):
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def _hang_up(self):
        """Close the port and all connections."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for connections
            listener.close()
        for client in list(self._open):
            _reset(client)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        """Answer the requests of one connection."""
        self._open.add(client)
        server = http.client.HTTPConnection(self.server, timeout=120)
        try:
            with client.makefile("rb") as incoming:
                while (request := _read(incoming, client)) and self._answer(client, server, request):
                    pass
        except OSError:
            pass  # the client has ended, or the proxy
        finally:
            self._open.discard(client)
            client.close()
            server.close()

    def _answer(self, client, server, request):
        """Answer a request; return whether the connection goes on."""
        fault = self._draw(request.method)
        if fault in _STATUS:
            return _refuse(client, request.method, *_STATUS[fault])
        if fault in ("silent", "refused", "reset"):
            self._drop(client, fault)
            return False
        if fault == "delay":
            time.sleep(self._random.uniform(0, _LONGEST_DELAY))
        head, body = _forward(server, request)
        if fault == "unseen":
            _reset(client)
            return False
        kept = len(body) // 2 if fault == "truncated" else len(body)
        client.sendall(head + body[:kept])
        return kept == len(body)

    def _drop(self, client, fault):
        """Give no answer."""
        if fault == "silent":
            self._stopped.wait()
        elif fault == "refused":
            self._hang_up()
        else:
            _reset(client)

    def _draw(self, method):
        """Return the fault of the next request, or None."""
        with self._lock:
            self.requests += 1
            fault = None
            if self._permanent and self.requests > self._after:
                fault = self._permanent
            elif not self._permanent and self._random.random() < self.probability:
                never = "unseen" if method in ("GET", "HEAD") else "truncated"
                fitting = [kind for kind in self.kinds if kind != never and (kind, method) != ("truncated", "HEAD")]
                fault = min(fitting, key=lambda kind: self.injected[kind], default=None)
            if fault:
                self.injected[fault] += 1
            return fault


def _read(incoming, client):
    """Return the next request of a connection, or None at its end."""
    first = incoming.readline().decode("latin-1").split()
    if not first:
        return None
    headers = {}
    while line := incoming.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.pop("expect", ""):
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = incoming.read(int(headers.get("content-length", 0)))
    return Request(first[0], first[1], headers, body)


def _forward(server, request):
    """Return the server's answer: the head and the body."""
    headers = {name: value for name, value in request.headers.items() if name not in ("connection", "keep-alive")}
    server.request(request.method, request.target, body=request.body or None, headers=headers)
    answer = server.getresponse()
    body = answer.read()
    length = answer.getheader("Content-Length", "0") if request.method == "HEAD" else str(len(body))
    kept = [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() not in _HOP]
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}", *kept]
    if answer.status != 204:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), body


def _refuse(client, method, status, code, message):
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(text)}\r\n\r\n"
    client.sendall((head + ("" if method == "HEAD" else text)).encode())
    return True


def _reset(client):
    """Break a connection so that the client sees `Connection reset by peer`."""
    try:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.shutdown(socket.SHUT_RD)
        client.close()
    except OSError:
        pass  # it has ended already
