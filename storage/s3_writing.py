"""Write an object to memory or S3, on S3 only if it has not changed since, for which s3fs has no function."""

import errno
from typing import Any


def put_if(filesystem: Any, path: str, content: bytes, expected: str | None) -> bool:  # noqa: ANN401  no types
    """Write an object if it still has an ETag; return whether that is so.

    A server that ignores the condition writes the object in any case. A repeated request, whose first answer was lost,
    finds its own object and is refused: the caller looks at the object and decides.

    Args:
        filesystem: an `s3fs.S3FileSystem`, or fsspec's memory.
        path: the bucket and the key.
        content: the object's bytes.
        expected: the ETag; None, or empty: the object is written in any case.

    Raises:
        OSError: the server refuses for another reason.
    """
    try:
        filesystem.pipe_file(path, content, **({"IfMatch": expected} if expected else {}))
    except FileNotFoundError:
        if expected:
            return False  # deleted meanwhile
        raise
    except OSError as error:
        if expected and _is_refused_condition(error):
            return False
        raise
    return True


def _is_refused_condition(error: OSError) -> bool:
    code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code")
    return code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409") or error.errno == errno.EINVAL
