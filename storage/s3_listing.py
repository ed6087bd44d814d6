"""Listings of S3 page by page, for callers that stop early, or that keep less of a key than s3fs does."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from storage.files import FileEntry
from storage.filesystem import open_filesystem, readable_errors
from storage.stored import Stored

_PAGE = 1000  # keys, the most that S3 answers at a time


class Page(NamedTuple):
    """The answer to one request."""

    objects: dict[str, Stored]
    """Sizes and marks by path, in the order of the keys."""
    is_last: bool
    """Whether no page follows."""


def pages_of(filesystem: Any, folder: str) -> Iterator[Page]:  # noqa: ANN401
    """Yield the objects below a folder; each page is one request, made when the caller asks for the page.

    Args:
        filesystem: s3fs's, which publishes no types.
        folder: bucket and prefix.

    Raises:
        FileNotFoundError: no such bucket; other errors are those of s3fs.
    """
    bucket = folder.strip("/").partition("/")[0]
    for entries, is_last in entries_of(filesystem, folder):
        found = {f"{bucket}/{e['Key']}": Stored(int(e["Size"]), str(e.get("ETag") or "")) for e in entries}
        yield Page(found, is_last)


def entries_of(filesystem: Any, folder: str) -> Iterator[tuple[list[dict[str, Any]], bool]]:  # noqa: ANN401
    """Yield the entries of S3's own listing page by page, each with whether no page follows.

    Args:
        filesystem: s3fs's, which publishes no types.
        folder: bucket and prefix.

    Raises:
        FileNotFoundError: no such bucket; other errors are those of s3fs.
    """
    bucket, _, prefix = folder.strip("/").partition("/")
    after: dict[str, str] = {}
    while True:
        answer = filesystem.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=_PAGE, **after
        )
        is_last = not answer.get("IsTruncated")
        # a key that ends in a slash is made by consoles of S3 for a folder
        yield [entry for entry in answer.get("Contents", ()) if not entry["Key"].endswith("/")], is_last
        if is_last:
            return
        after = {"ContinuationToken": answer["NextContinuationToken"]}


def first_pages(filesystem: Any, folder: str, pages: int) -> tuple[dict[str, Stored], bool]:  # noqa: ANN401
    """Return the sizes and marks of objects below a folder, by path, and whether these are all objects.

    Args:
        filesystem: s3fs's, which publishes no types.
        folder: bucket and prefix.
        pages: the largest number of requests, of a thousand keys each; 0: no limit.
    """
    found: dict[str, Stored] = {}
    for number, page in enumerate(pages_of(filesystem, folder), 1):
        found |= page.objects
        if page.is_last or number == pages:
            return found, page.is_last
    return found, True


def files_within(url: str, pages: int) -> dict[str, FileEntry] | None:
    """Return the files below a folder on S3 by relative path, or None where it holds more than some requests list.

    Args:
        url: address of the folder.
        pages: the largest number of requests, of a thousand keys each.

    Raises:
        StorageError: the folder cannot be listed.
    """
    filesystem, root = open_filesystem(url)
    with readable_errors(url):
        found, is_whole = first_pages(filesystem, root, pages)
    start = len(root.strip("/")) + 1
    files = {path[start:]: FileEntry(path[start:], size, mark.strip('"')) for path, (size, mark) in found.items()}
    return files if is_whole else None
