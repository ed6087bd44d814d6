"""Commit the results of a run so that the catalogue has them, wherever the process is killed."""

import logging
from collections.abc import Mapping
from typing import Any

from storage.catalogue.folding import fold
from storage.catalogue.notes import note, remove
from storage.errors import StorageError
from storage.manifests import Manifest
from storage.store import Store
from storage.tables import TableWriter

log = logging.getLogger("dawin.storage")


def commit_results(store: Store, writer: TableWriter, measured: Mapping[str, Any] | None = None) -> Manifest:
    """Write a run's results and their manifest, and fold the run into the catalogue.

    The run is noted as pending before its results are written. So a process that is killed before the fold, and one
    whose fold fails, leave a run that readers find by its note; the results count from their manifest on.

    Args:
        store: the store that gets the results.
        writer: holds all rows of the run.
        measured: as for `TableWriter.commit`.

    Returns:
        The manifest in the store at the end.

    Raises:
        ObjectDamaged: other runs keep writing the results.
        StorageError: the store cannot be written.

    Example:
        >>> from storage import keys
        >>> from storage.schemas import RESULTS
        >>> store = Store("memory://example-of-a-catalogue")
        >>> writer = TableWriter(store, keys.results("digits", "r01"), RESULTS, identity={"samples": []})
        >>> commit_results(store, writer).rows
        0
        >>> from storage.catalogue import look
        >>> look(store).runs.select("experiment", "run_id").rows()
        [('digits', 'r01')]
    """
    own = note(store, writer.key)
    manifest = writer.commit(measured)
    try:
        fold(store, [writer.key])
    except StorageError as error:
        log.warning("the catalogue of results is behind, and readers look at %s themselves: %s", writer.key, error)
        return manifest
    remove(store, [own])
    return manifest
