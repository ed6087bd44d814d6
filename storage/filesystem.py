"""Addresses (`path`, `file://`, `memory://`, `s3://`, `hf://`) to opened file systems, and their errors to ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.exceptions
import fsspec

from storage.credentials import refuse_credentials, without_credentials
from storage.errors import ObjectMissing, StorageError, StoreDenied, StoreUnreachable
from storage.hub import fetch
from storage.text import shown

SCHEMES = ("file", "memory", "s3", "hf")
_NO_ANSWER = (ConnectionError, TimeoutError, botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionError)
_CREDENTIALS_HINT = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"


def scheme_of(address: str) -> str:
    """Return the scheme of an address; a bare path is `file`."""
    return address.split("://", 1)[0] if "://" in address else "file"


def absolute(address: str, base: str | Path | None = None) -> str:
    """Return a full URL (`file:///…`, `s3://…`); a relative path counts from `base`, or the working directory.

    Nothing in a path stands for anything else, but a leading `~` for a home folder where no file is called so.

    Raises:
        StoreDenied: the address holds credentials; they are not shown.
        StoreUnreachable: it is no address, or its scheme is not known.
    """
    refuse_credentials(address)
    scheme, told = scheme_of(address), shown(without_credentials(address))
    if scheme not in SCHEMES:
        raise StoreUnreachable(f"{told}: scheme '{shown(scheme, 30)}' is not known, wanted one of {', '.join(SCHEMES)}")
    if "\0" in address or not address or not _is_text(address):
        raise StoreUnreachable(f"'{told}': not an address, wanted text in UTF-8")
    if scheme == "file":
        return "file://" + _local(address.removeprefix("file://"), Path(base or Path.cwd()), told)
    place = address.removeprefix(f"{scheme}://").strip("/")
    if not place:
        raise StoreUnreachable(f"{told}: wanted {scheme}://, then a name, got none")
    return f"{scheme}://{place}"


def _local(path: str, base: Path, told: str) -> str:
    literal = os.path.abspath(base / path)
    if not path.startswith("~") or os.path.lexists(literal):
        return literal
    try:
        return os.path.abspath(Path(path).expanduser())
    except RuntimeError as error:
        raise StoreUnreachable(f"{told}: {error}") from error


def _is_text(address: str) -> bool:
    """Tell whether an address can be written as UTF-8: a name in other bytes can be stored in no table."""
    try:
        address.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_filesystem(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of an address and the path inside it.

    S3 takes its credentials and endpoint from the standard AWS variables alone. Listings are never cached:
    another worker may have written since. The path is taken as it is written: fsspec's own opening of addresses would
    take a `::` in it for a chain of file systems.
    """
    url = absolute(address)
    scheme = scheme_of(url)
    if scheme == "hf":
        return fsspec.filesystem("file"), fetch(url)
    options: dict[str, Any] = {}
    if scheme == "s3":
        options["use_listings_cache"] = False
        if region := os.environ.get("AWS_REGION"):  # botocore itself reads only AWS_DEFAULT_REGION
            options["client_kwargs"] = {"region_name": region}
    filesystem = fsspec.filesystem(scheme, **options)
    return filesystem, url.removeprefix("file://") if scheme == "file" else filesystem._strip_protocol(url)


@contextmanager
def readable_errors(address: str) -> Iterator[None]:
    """Turn what the back ends raise into `StorageError`s that name `address`."""
    try:
        yield
    except StorageError:
        raise
    except FileNotFoundError as error:
        raise ObjectMissing(f"{address}: nothing is there") from error
    except (PermissionError, botocore.exceptions.NoCredentialsError) as error:
        hint = f"; {_CREDENTIALS_HINT}" if scheme_of(address) == "s3" else ""
        raise StoreDenied(f"{address}: access denied ({_first_line(error)}){hint}") from error
    except _NO_ANSWER as error:
        raise StoreUnreachable(f"{address}: no answer ({_first_line(error)}); {_CREDENTIALS_HINT}") from error
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise StoreDenied(f"{address}: refused ({_first_line(error)}); {_CREDENTIALS_HINT}") from error
    except OSError as error:
        if isinstance(error, FileExistsError) and error.filename is None:
            raise
        raise StoreDenied(f"{address}: cannot be used ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
