"""Which errors of S3 pass, how long to wait before the next attempt, and the ETag of an object uploaded in parts.

The waits grow and are random (AWS Architecture Blog, "Exponential Backoff and Jitter", "full jitter"), so that many
processes that a server turned away at one moment do not return at one moment.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import botocore.exceptions
from botocore.parsers import ResponseParserError

from storage.errors import first_line

_FIRST = 0.2  # seconds, the longest first wait
_LONGEST = 4.0  # seconds, the longest wait
_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
_PASSING_CODES = {
    "BadDigest",  # the bytes of a PUT were damaged on their way
    "ConditionalRequestConflict",  # another conditional PUT of the key was in progress
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "XAmzContentSHA256Mismatch",
}
_NO_CONNECTION = (
    botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.IncompleteReadError,
    ResponseParserError,  # an answer that broke off, or that a proxy in between wrote
    aiohttp.ClientError,
    ConnectionError,
    TimeoutError,
)
_random = random.Random()  # not the module's own generator, whose state belongs to the caller


def passes(error: BaseException) -> bool:
    """Return whether the same request may succeed a moment later.

    Args:
        error: the error of botocore, or the one that s3fs made of it.

    Example:
        >>> passes(ConnectionResetError("reset by peer")), passes(PermissionError("access denied"))
        (True, False)
    """
    answer = _answer(error)
    if answer is None:
        return isinstance(error, _NO_CONNECTION) or "checksum" in type(error).__name__.lower()
    return status_of(error) in _PASSING_STATUS or code_of(error) in _PASSING_CODES


def status_of(error: BaseException) -> int:
    """Return the HTTP status of the answer that an error reports; 0 without an answer."""
    return int((_answer(error) or {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: BaseException) -> str:
    """Return S3's code of the answer that an error reports, such as `SlowDown`; empty without an answer."""
    return str((_answer(error) or {}).get("Error", {}).get("Code", ""))


def reason_of(error: BaseException) -> str:
    """Return the cause of an error in a few words: the server's answer, or the failure of the connection."""
    code, status = code_of(error), status_of(error)
    if status:
        return f"it answered {status}" + (f" {code}" if code and code != str(status) else "")
    return first_line(error) if str(error) else "it is silent"


def wait(attempt: int) -> float:
    """Return the seconds to wait after an attempt that failed.

    Args:
        attempt: its number, from 0.
    """
    return _random.uniform(0, min(_LONGEST, _FIRST * 2**attempt))


def etag_of_parts(parts: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the ETag that S3 gives to an object uploaded in parts.

    Args:
        parts: the parts in order, each with its `ETag`.

    Returns:
        The MD5 of the MD5s of the parts, and their number; None if S3 encrypts them with a key of its own, because
        their ETags are no MD5s then.
    """
    try:
        digests = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _answer(error: BaseException) -> Mapping[str, Any] | None:
    """Return the answer of the server that an error of botocore holds, or that of the error that s3fs made of it."""
    for one in (error, error.__cause__):
        if isinstance(one, botocore.exceptions.ClientError):
            answer: Mapping[str, Any] = one.response
            return answer
    return None
