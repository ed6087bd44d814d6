"""Addresses (`path`, `file://`, `memory://`, `s3://`, `hf://`), the file systems behind them, and their errors."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.exceptions
import fsspec

from storage.credentials import VARIABLES_TO_CHECK, refuse_credentials, without_credentials
from storage.errors import ObjectMissing, StorageError, StoreDenied, StoreUnreachable, first_line
from storage.hub import fetch
from storage.text import shown

SCHEMES = ("file", "memory", "s3", "hf")
_BROKEN = re.compile(r"(file|memory|s3|hf|gs|gcs|https?)(?!://)(:/{0,2}|/{2,})(?=[^/])", re.IGNORECASE)
_NO_ANSWER = (ConnectionError, TimeoutError, botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)


def scheme_of(address: str) -> str:
    """Return the scheme of an address; that of a bare path is `file`.

    Example:
        >>> scheme_of("s3://bucket/images"), scheme_of("images/a::b")
        ('s3', 'file')
    """
    return address.split("://", 1)[0] if "://" in address else "file"


def absolute(address: str, base: str | Path | None = None) -> str:
    """Return the full URL of an address, such as `file:///images` or `s3://bucket/images`.

    Every character of a path stands for itself. The one exception is a leading `~`, which is a home folder unless a
    file of that name exists.

    Args:
        address: a path or a URL.
        base: the folder that a relative path starts from; None: the working directory.

    Raises:
        StoreDenied: the address contains credentials; the message masks them.
        StoreUnreachable: it is not an address, or its scheme is unknown.

    Example:
        >>> absolute("images/../labels", base="/data")
        'file:///data/labels'
    """
    refuse_credentials(address)
    printable, start = _printable(address), Path(base or Path.cwd())
    meant = None if os.path.lexists(start / address.replace("\0", "")) else _misspelt(address)
    refuse_credentials(meant or "")
    scheme = scheme_of(meant or address)
    if scheme not in SCHEMES:
        lower = address.replace(scheme, scheme.lower(), 1)
        near = f"; did you mean {_printable(lower)}?" if scheme.lower() in SCHEMES else ""
        wanted = ", ".join(SCHEMES)
        raise StoreUnreachable(f"{printable}: scheme '{shown(scheme, 30)}' is not known, wanted one of {wanted}{near}")
    if "\0" in address or not address or not _is_utf8(address):
        raise StoreUnreachable(f"'{printable}': not an address, wanted text in UTF-8")
    if meant:
        raise StoreUnreachable(
            f"{printable}: wanted a path or {scheme}://, got {scheme} without ://; did you mean {_printable(meant)}? "
            f"A folder of that name is ./{printable}"
        )
    if scheme == "file":
        return "file://" + _local(address.removeprefix("file://"), start, printable)
    place = address.removeprefix(f"{scheme}://").strip("/")
    if not place:
        raise StoreUnreachable(f"{printable}: wanted {scheme}://, then a name, got no name")
    return f"{scheme}://{place}"


def _local(path: str, base: Path, printable: str) -> str:
    literal = os.path.abspath(base / path)
    if not path.startswith("~") or os.path.lexists(literal):
        return literal
    try:
        return os.path.abspath(Path(path).expanduser())
    except RuntimeError as error:
        raise StoreUnreachable(f"{printable}: {error}") from error


def _misspelt(address: str) -> str | None:
    """Return the address that one with a broken `://` can be meant as, such as `s3:/bucket` or `s3//bucket`."""
    found = _BROKEN.match(address)
    if found is None:
        return None
    scheme = found[1].lower()
    root = "/" if scheme == "file" and "/" in found[2] else ""
    return f"{scheme}://{root}{address[found.end() :]}"


def _printable(address: str) -> str:
    return shown(without_credentials(address))


def _is_utf8(address: str) -> bool:
    """Return whether an address can be encoded as UTF-8: no table can hold a name in other bytes."""
    try:
        address.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_filesystem(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address, and the path inside it.

    For S3, the standard AWS variables alone give the credentials and the endpoint. Listings are never cached, because
    another worker may have written since. Every character of the path stands for itself, whereas `fsspec.open` would
    read a `::` as a chain of file systems.

    Raises:
        StoreDenied: the address contains credentials.
        StoreUnreachable: it is not an address, its scheme is unknown, or the Hub does not answer.
        ObjectMissing: the Hub has no such file.
    """
    url = absolute(address)
    scheme = scheme_of(url)
    if scheme == "hf":
        return fsspec.filesystem("file"), fetch(url)
    filesystem = _s3() if scheme == "s3" else fsspec.filesystem(scheme)
    return filesystem, url.removeprefix("file://") if scheme == "file" else filesystem._strip_protocol(url)


def _s3() -> Any:  # noqa: ANN401  s3fs publishes no types
    """Return the file system of S3; all callers in a process share one."""
    from storage.s3_filesystem import S3  # noqa: PLC0415  stores on other back ends do not load s3fs

    region = os.environ.get("AWS_REGION")  # botocore itself reads only AWS_DEFAULT_REGION
    return S3(use_listings_cache=False, client_kwargs={"region_name": region} if region else {})


@contextmanager
def readable_errors(address: str) -> Iterator[None]:
    """Turn the errors of the back ends into `StorageError`s that name an address.

    Args:
        address: the address that the code inside the `with` uses.

    Raises:
        ObjectMissing: no file exists there.
        StoreDenied: the place refuses access, or cannot be used.
        StoreUnreachable: the endpoint does not answer.
    """
    try:
        yield
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise ObjectMissing(f"{address}: not found") from error
    except (PermissionError, botocore.exceptions.NoCredentialsError) as error:
        hint = f"; {VARIABLES_TO_CHECK}" if scheme_of(address) == "s3" else ""
        raise StoreDenied(f"{address}: access denied ({first_line(error)}){hint}") from error
    except _NO_ANSWER as error:
        raise StoreUnreachable(f"{address}: no answer ({first_line(error)}); {VARIABLES_TO_CHECK}") from error
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise StoreDenied(f"{address}: refused ({first_line(error)}); {VARIABLES_TO_CHECK}") from error
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename is None:  # a taken key, for `Store.create`
            raise
        raise StoreDenied(f"{address}: cannot be used ({first_line(error)})") from error
