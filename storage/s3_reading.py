"""Reading from S3 what s3fs does not give: an object's bytes together with its ETag, from one request."""

from typing import Any

from fsspec.asyn import sync


def get_with_mark(filesystem: Any, path: str) -> tuple[bytes, str]:  # noqa: ANN401  s3fs publishes no types
    """Return an object's bytes and its ETag; an answer that breaks off is asked for again.

    Args:
        filesystem: an `s3fs.S3FileSystem`.
        path: bucket and key.
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
