"""The errors of a store; each is also the built-in error that a caller would expect."""


class StorageError(Exception):
    """The base of all storage errors; the message names the full address."""


class ObjectMissing(StorageError, FileNotFoundError):
    """No object or file exists at an address."""


class VectorsMissing(ObjectMissing):
    """An object is stored without its vectors, such as logits, and the caller needs them."""


class ObjectChanged(StorageError):
    """Another process has written an object since the caller looked at it."""


class ObjectExists(StorageError, FileExistsError):
    """An object exists already under a key, and the caller did not ask to overwrite it."""


class SchemaMismatch(StorageError, ValueError):
    """A table's columns or types differ from those of its schema."""


class ManifestInvalid(StorageError, ValueError):
    """A manifest cannot be read, or describes another object than the one beside it."""


class StoreDenied(StorageError, PermissionError):
    """Credentials are missing or refused, or the place cannot be written."""


class StoreUnreachable(StorageError, ConnectionError):
    """The endpoint does not answer, or the scheme of an address is unknown."""


class ObjectDamaged(StorageError, ValueError):
    """An object differs from its manifest or cannot be read; the next run computes it again."""


class ObjectOutdated(StorageError, ValueError):
    """An earlier version of this program wrote an object, in a form that has changed; the next run writes it again."""


def outdated(address: str, kind: str, version: int, wanted: int) -> ObjectOutdated:
    """Return the error of an object in the form of an earlier version, in one line.

    Args:
        address: the object's full address.
        kind: the name of its table, or the kind of a blob.
        version: that it was written in.
        wanted: the version that this program reads and writes.

    Example:
        >>> print(outdated("s3://bucket/heads/0123", "heads", 1, 2))
        s3://bucket/heads/0123: heads version 1 of an earlier dawin, wanted 2; `dawin run EXPERIMENT` writes it again
    """
    reason = f"{kind} version {version} of an earlier dawin, wanted {wanted}"
    return ObjectOutdated(f"{address}: {reason}; `dawin run EXPERIMENT` writes it again")


def damaged(address: str, reason: str) -> ObjectDamaged:
    """Return the error of a damaged object, in one line.

    Args:
        address: the object's full address.
        reason: the fault, with the wanted and the actual value.

    Example:
        >>> print(damaged("s3://bucket/heads/0123", "wanted 640 bytes, got 0"))
        s3://bucket/heads/0123: damaged, wanted 640 bytes, got 0; `dawin run EXPERIMENT` computes it again
    """
    return ObjectDamaged(f"{address}: damaged, {reason}; `dawin run EXPERIMENT` computes it again")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message that is not empty, or the name of the error's class.

    Example:
        >>> first_line(ValueError("a torn header")), first_line(TimeoutError())
        ('a torn header', 'TimeoutError')
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
