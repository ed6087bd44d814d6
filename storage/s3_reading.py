"""Read an object from S3 together with its ETag in one request, for which s3fs has no function."""

from typing import Any

from fsspec.asyn import sync


def get_with_mark(filesystem: Any, path: str) -> tuple[bytes, str]:  # noqa: ANN401  s3fs publishes no types
    """Return an object's bytes and its ETag.

    Args:
        filesystem: ours, whose answers hold their body in full.
        path: the bucket and the key.

    Raises:
        FileNotFoundError: no object exists there; other errors are those of the file system.
    """
    bucket, key, _ = filesystem.split_path(path)

    async def get() -> tuple[bytes, str]:
        answer = await filesystem._call_s3("get_object", Bucket=bucket, Key=key)
        return await answer["Body"].read(), str(answer.get("ETag") or "")

    content: tuple[bytes, str] = sync(filesystem.loop, get)
    return content
