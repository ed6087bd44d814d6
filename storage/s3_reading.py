"""Read an object from S3 together with its ETag in one request, for which s3fs has no function."""

from typing import Any

from fsspec.asyn import sync


def get_with_mark(filesystem: Any, path: str) -> tuple[bytes, str]:  # noqa: ANN401  s3fs publishes no types
    """Return an object's bytes and its ETag; a request whose answer breaks off is repeated.

    Args:
        filesystem: an `s3fs.S3FileSystem`.
        path: the bucket and the key.

    Raises:
        FileNotFoundError: no object exists there; other errors are those of s3fs.
    """
    from s3fs.core import _error_wrapper  # noqa: PLC0415  stores on other back ends do not load s3fs

    bucket, key, _ = filesystem.split_path(path)

    async def get() -> tuple[bytes, str]:
        answer = await filesystem._call_s3("get_object", Bucket=bucket, Key=key)
        try:
            return await answer["Body"].read(), str(answer.get("ETag") or "")
        finally:
            answer["Body"].close()

    async def get_or_again() -> tuple[bytes, str]:
        found: tuple[bytes, str] = await _error_wrapper(get, retries=filesystem.retries)
        return found

    content: tuple[bytes, str] = sync(filesystem.loop, get_or_again)
    return content
