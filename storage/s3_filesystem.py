"""The file system of S3: it repeats requests that fail for a passing reason, and gives up within a minute.

s3fs and botocore repeat requests as well, one inside the other, and neither repeats all that may pass: together they
ask a server that never answers 25 times, and do not ask again after a status of 500. Here they ask once, and this
class alone decides.
"""

import asyncio
import socket
import time
import uuid
from io import BytesIO
from itertools import count
from typing import Any

from botocore.exceptions import EndpointConnectionError
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from storage.credentials import VARIABLES_TO_CHECK
from storage.errors import StoreDenied, StoreUnreachable, first_line
from storage.s3_retries import code_of, etag_of_parts, passes, reason_of, status_of, wait

_CONNECT = 5  # seconds
_SILENCE = 15  # seconds in which the server sends no byte, after a request was sent in full
_STALLED = 8  # seconds in which it takes no byte; Linux notices up to twice as late
_PATIENCE = 25.0  # seconds after the first failure of a request in which attempts begin: the last one ends by 55
_NEVER_ANSWERED = 8.0  # the same, while no connection has ever been possible: the address may be wrong
_LOST = 60.0  # seconds after a request was given up in which others get one short attempt
_SHORT = 5.0  # seconds
_MARK = "dawin-write"  # in the metadata of an object that a conditional PUT wrote


class S3(S3FileSystem):  # type: ignore[misc]
    """An `s3fs.S3FileSystem` with one rule for failing requests.

    A request that fails for a passing reason (no connection, silence, a broken-off answer, a status such as 500 or
    503) is repeated after a random, growing wait. A request includes the body of its answer. 25 seconds after its first
    failure it is given up with `StoreUnreachable`, so that a server that never answers is reported after 45 seconds.
    For a minute afterwards, further requests get one attempt of 5 seconds unless one succeeds: work that ends
    because the store is lost does not wait for it again.

    A request that had succeeded without its answer arriving succeeds when it is repeated. A conditional PUT is
    recognised by a random mark in the metadata of its object, because aiohttp too may repeat a PUT, and says nothing.
    """

    protocol = ("s3", "s3a")
    connect_timeout = _CONNECT
    read_timeout = _SILENCE
    retries = 1
    patience = _PATIENCE

    _was_reached = False
    _lost_at: float | None = None

    def _prepare_config_kwargs(self) -> dict[str, Any]:
        """Return the settings of botocore: one attempt, and connections that notice a stalled upload."""
        settings: dict[str, Any] = super()._prepare_config_kwargs()
        return {
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "connector_args": {"socket_factory": _socket},
            **settings,
        }

    async def set_session(self, refresh: bool = False, **options: Any) -> Any:  # noqa: ANN401
        """Return the client of botocore; it sends the body of a PUT without first asking whether the server wants it.

        The server may never answer that question, and aiohttp would wait for ever.
        """
        client = await super().set_session(refresh, **options)
        client.meta.events.register_last("before-call.s3", _unasked, unique_id="dawin-unasked")
        return client

    async def _call_s3(self, method: str, *options: Any, **arguments: Any) -> Any:  # noqa: ANN401  as s3fs has it
        if method == "put_object" and ("IfNoneMatch" in arguments or "IfMatch" in arguments):
            arguments["Metadata"] = {**arguments.get("Metadata", {}), _MARK: uuid.uuid4().hex}
        failed_at: float | None = None
        for attempt in count():
            try:
                answer = await self._attempt(method, *options, **arguments)
            except Exception as error:
                if (found := await self._had_succeeded(method, arguments, error)) is not None:
                    return found
                self._was_reached = self._was_reached or bool(status_of(error))
                now, pause = time.monotonic(), wait(attempt)
                failed_at = failed_at or now
                if isinstance(error, PermissionError):
                    raise _denied(arguments, error) from error
                if not passes(error):
                    raise
                if now + pause > failed_at + self._patience_for(error):
                    self._lost_at = now
                    raise _given_up(arguments, attempt + 1, error) from error
                await asyncio.sleep(pause)
            else:
                self._was_reached, self._lost_at = True, None
                return answer
        raise AssertionError  # the loop has no end

    call_s3 = sync_wrapper(_call_s3)

    async def _attempt(self, method: str, *options: Any, **arguments: Any) -> Any:  # noqa: ANN401
        """Send a request once, and read the body of its answer."""
        request = self._once(method, *options, **arguments)
        return await (asyncio.wait_for(request, _SHORT) if self._is_lost() else request)

    async def _once(self, method: str, *options: Any, **arguments: Any) -> Any:  # noqa: ANN401
        answer = await super()._call_s3(method, *options, **arguments)
        if method == "get_object":
            body = answer["Body"]
            try:
                answer["Body"] = _Body(await body.read())
            finally:
                body.close()
        return answer

    async def _had_succeeded(self, method: str, arguments: dict[str, Any], error: Exception) -> Any | None:  # noqa: ANN401
        """Return the answer to a request if an earlier attempt at it had succeeded unseen; else None."""
        if status_of(error) == 404 and method in ("delete_object", "abort_multipart_upload"):
            return {}
        is_put, is_complete = status_of(error) == 412 and method == "put_object", code_of(error) == "NoSuchUpload"
        if not is_put and not (is_complete and method == "complete_multipart_upload"):
            return None
        try:
            found = await self._call_s3("head_object", Bucket=arguments["Bucket"], Key=arguments["Key"])
        except FileNotFoundError:
            return None
        if is_put:
            return found if found.get("Metadata", {}).get(_MARK) == arguments["Metadata"][_MARK] else None
        return found if found["ETag"].strip('"') == etag_of_parts(arguments["MultipartUpload"]["Parts"]) else None

    def _is_lost(self) -> bool:
        return self._lost_at is not None and time.monotonic() - self._lost_at < _LOST

    def _patience_for(self, error: Exception) -> float:
        if self._is_lost():
            return 0.0
        if not self._was_reached and isinstance(error, EndpointConnectionError):
            return _NEVER_ANSWERED
        return self.patience

    async def _isfile(self, path: str) -> bool:
        """Return whether an object exists; fsspec's own would take a server that does not answer for a missing one."""
        try:
            return bool((await self._info(path))["type"] == "file")
        except FileNotFoundError:
            return False


class _Body:
    """The body of an answer, read in full."""

    def __init__(self, content: bytes) -> None:
        self._file = BytesIO(content)

    async def read(self, amount: int | None = None) -> bytes:
        return self._file.read(amount)

    def close(self) -> None:
        """Do nothing: the connection is free already, and the bytes stay readable."""


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket whose connection breaks when the other side takes no bytes for a while.

    The timeout for reading begins only after a request is sent in full.
    """
    family, kind, protocol = address[:3]
    made = socket.socket(family=family, type=kind, proto=protocol)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED * 1000)
    return made


def _unasked(params: dict[str, Any], **_: object) -> None:
    params["headers"].pop("Expect", None)


def _given_up(arguments: dict[str, Any], attempts: int, error: Exception) -> StoreUnreachable:
    times = "once" if attempts == 1 else f"{attempts} times"
    reason = f"no answer, asked {times} ({reason_of(error)})"
    return StoreUnreachable(f"{_address(arguments)}: {reason}; {VARIABLES_TO_CHECK}")


def _denied(arguments: dict[str, Any], error: Exception) -> StoreDenied:
    return StoreDenied(f"{_address(arguments)}: access denied ({first_line(error)}); {VARIABLES_TO_CHECK}")


def _address(arguments: dict[str, Any]) -> str:
    """Return the address that a request is about, as far as its arguments name one."""
    place = f"{arguments.get('Bucket', '')}/{arguments.get('Key') or arguments.get('Prefix') or ''}"
    return f"s3://{place.strip('/')}"
