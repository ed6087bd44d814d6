"""The object store: keys, schemas, tables, manifests. Imports nothing of ours."""

from storage.scan import scan
from storage.store import Store, open_store

__all__ = ["Store", "open_store", "scan"]
