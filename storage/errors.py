"""Everything that can go wrong with a store, each also the built-in error a caller would expect."""


class StorageError(Exception):
    """Base of all storage errors; the message names the full address."""


class ObjectMissing(StorageError, FileNotFoundError):
    """Nothing is stored there."""


class ObjectExists(StorageError, FileExistsError):
    """Something is stored there already, and writing over it was not asked for."""


class SchemaMismatch(StorageError, ValueError):
    """A table's columns or types are not those of its schema."""


class ManifestInvalid(StorageError, ValueError):
    """A manifest cannot be read or does not describe the object beside it."""


class StoreDenied(StorageError, PermissionError):
    """Credentials are missing or refused, or the place cannot be written."""


class StoreUnreachable(StorageError, ConnectionError):
    """The endpoint does not answer, or the address has a scheme that is not known."""


class ObjectDamaged(StorageError, ValueError):
    """An object is not what its manifest says, or its manifest cannot be read; the next run computes it again."""


def damaged(address: str, reason: str) -> ObjectDamaged:
    """Return the error of a damaged object, in one line."""
    return ObjectDamaged(f"{address}: damaged, {reason}; `dawin run EXPERIMENT` computes it again")
