"""Listings of S3 page by page, for callers that stop when a folder holds more than they want to know."""

from itertools import count
from typing import Any

from storage.stored import Stored

_PAGE = 1000  # keys, the most that S3 answers at a time


def first_pages(filesystem: Any, folder: str, pages: int) -> tuple[dict[str, Stored], bool]:  # noqa: ANN401
    """Return the sizes and marks of objects below a folder, by path, and whether these are all objects.

    Args:
        filesystem: s3fs's, which publishes no types.
        folder: bucket and prefix.
        pages: the largest number of requests, of a thousand keys each; 0: no limit.
    """
    bucket, _, prefix = folder.strip("/").partition("/")
    found: dict[str, Stored] = {}
    after: dict[str, str] = {}
    for _ in range(pages) if pages else count():
        answer = filesystem.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=_PAGE, **after
        )
        for entry in answer.get("Contents", ()):
            if entry["Key"].endswith("/"):  # what a console of S3 makes for a folder
                continue
            found[f"{bucket}/{entry['Key']}"] = Stored(int(entry["Size"]), str(entry.get("ETag") or ""))
        if not answer.get("IsTruncated"):
            return found, True
        after = {"ContinuationToken": answer["NextContinuationToken"]}
    return found, False
