"""The object store: keys, schemas, tables and manifests. It imports neither flows nor tasks."""

from storage.scan import scan
from storage.store import Store, open_store

__all__ = ["Store", "open_store", "scan"]
