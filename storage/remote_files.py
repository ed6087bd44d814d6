"""The files below a folder on S3 or in memory, listed page by page into columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from storage.file_table import FileColumns, FileTable, encoded_path
from storage.s3_listing import pages_of


def remote_files(filesystem: Any, root: str) -> FileTable:  # noqa: ANN401  fsspec publishes no types
    """Return the files below a folder.

    On S3 this is one request for each thousand keys. S3 cannot say that a folder has not changed since an earlier
    listing, so each run lists it.

    Args:
        filesystem: an fsspec file system.
        root: the folder's path in it.

    Returns:
        The files; none if the folder does not exist.
    """
    found = FileColumns()
    for path, info in _on_s3(filesystem, root) if _is_s3(filesystem) else filesystem.find(root, detail=True).items():
        _add(found, path.removeprefix(root).lstrip("/"), info)
    return found.table()


def remote_file(filesystem: Any, path: str) -> FileTable | None:  # noqa: ANN401
    """Return the table of one file; None if no file has this path.

    On S3 this is one request.

    Args:
        filesystem: an fsspec file system.
        path: the file's path in it.
    """
    if _is_s3(filesystem):
        bucket, key, _ = filesystem.split_path(path)
        if not key:
            return None
        try:
            answer = filesystem.call_s3("head_object", Bucket=bucket, Key=key)
        except FileNotFoundError:
            return None
        info: Mapping[str, Any] = {"size": answer["ContentLength"], "ETag": answer.get("ETag")}
    elif filesystem.isfile(path):
        info = filesystem.info(path)
    else:
        return None
    found = FileColumns()
    _add(found, path.rpartition("/")[2], info)
    return found.table()


def etag_of(info: Mapping[str, Any]) -> str:
    """Return S3's etag; elsewhere the size and the time of the last modification stand for one.

    Args:
        info: the details of a file, as fsspec gives them.
    """
    if etag := info.get("ETag"):
        return str(etag).strip('"')
    changed = info.get("mtime", info.get("created", 0))
    return f"{info['size']}-{changed}"


def _add(found: FileColumns, path: str, info: Mapping[str, Any]) -> None:
    found.add(encoded_path(path), int(info["size"]), etag=encoded_path(etag_of(info)))


def _is_s3(filesystem: Any) -> bool:  # noqa: ANN401
    return "s3" in filesystem.protocol


def _on_s3(filesystem: Any, root: str) -> Iterator[tuple[str, Mapping[str, Any]]]:  # noqa: ANN401
    """Yield the path and the details of each key; s3fs itself would hold two kilobytes for each of them."""
    try:
        for page in pages_of(filesystem, root):
            yield from ((path, {"size": one.size, "ETag": one.mark}) for path, one in page.objects.items())
    except FileNotFoundError:  # no such bucket
        return
