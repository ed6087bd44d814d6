"""A run's plan in the store: the parent checks all inputs once and writes it, its children read it and compute.

The key is the digest of the content, so equal plans are one object, and a child knows a damaged one from a good one.
A child opens the inputs that the plan names, and refuses those whose digests no longer hold.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event, Thread

from flows.errors import OrchestrationError
from flows.planning.plan import Plan
from storage import keys
from storage.errors import StorageError, damaged
from storage.schemas import TABLES
from storage.store import Store
from tasks.methods.registry import METHODS
from tasks.numerics.metrics.registry import METRICS
from tasks.references.json_form import from_json, to_json
from tasks.references.versions import VERSIONS
from tasks.streaming.reading import Reading

log = logging.getLogger("dawin.run")


def write_plan(plan: Plan) -> str:
    """Write a plan into its store and return its key.

    It is written even if the store holds it: `dawin store prune` keeps everything that a plan of the last days names.
    """
    content = {
        "record": plan.record,
        "outputs": plan.outputs,
        "cells": plan.cells,
        "reading": asdict(plan.reading),
        "remarks": plan.remarks,
        "all_logits": plan.all_logits,
        "needs_outputs": plan.needs_outputs,
        "versions": _versions(),
    }
    text = to_json(content).encode()
    key = keys.plan(_digest(text))
    plan.store.replace(key, text)
    return key


@contextmanager
def renewed(key: str, store: Store, *, every: float = 12 * 3600) -> Iterator[None]:
    """Write a plan again from time to time while a run lasts, so that `dawin store prune` keeps what the run needs.

    A process that is killed writes no more, and after some days its plan no longer counts.

    Args:
        key: of the plan.
        store: holds it.
        every: seconds between two times.
    """
    ended, text = Event(), store.read(key)

    def renew() -> None:
        while not ended.wait(every):
            try:
                store.replace(key, text)
            except StorageError as error:  # the next time may succeed, and several days are left
                log.warning("%s: not renewed: %s", store.address(key), error)

    Thread(target=renew, name="plan", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def read_plan(key: str, store: Store) -> Plan:
    """Return the plan of a key.

    Raises:
        ObjectMissing: the store holds no such plan.
        OrchestrationError: this process computes by other versions than the parent that wrote the plan, so its numbers
            would be stored as those of the parent's versions.
        ObjectDamaged: the content is not that of the key, or another version of this program wrote it. The parent
            writes the plan again when it runs again.
    """
    text = store.read(key)
    if keys.plan(_digest(text)) != key:
        raise damaged(store.address(key), "wanted the plan of that digest, got other bytes")
    try:
        found = from_json(text)
        _check_versions(found["versions"], store.address(key))
        reading = Reading(**found["reading"])
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(store.address(key), str(error)) from error
    return Plan(
        store,
        found["record"],
        found["outputs"],
        found["cells"],
        reading,
        tuple(found.get("remarks", ())),
        bool(found.get("all_logits")),
        bool(found.get("needs_outputs", True)),
    )


def _versions() -> dict[str, int]:
    """Return the versions of everything that a child computes or writes, by name."""
    computations = {f"computation {name}": version for name, version in VERSIONS.items()}
    methods = {f"method {name}": method.version for name, method in METHODS.items()}
    metrics = {f"metric {metric.name}": metric.version for metric in METRICS}
    tables = {f"table {name}": table.version for name, table in TABLES.items()}
    return computations | methods | metrics | tables


def _check_versions(parents: Mapping[str, int], where: str) -> None:
    own = _versions()
    if unlike := sorted(name for name in own.keys() | parents.keys() if own.get(name) != parents.get(name)):
        name = unlike[0]
        more = f", and {len(unlike) - 1} more differ" if len(unlike) > 1 else ""
        raise OrchestrationError(
            f"{where}: written by another version of dawin: {name} wanted {parents.get(name)}, got {own.get(name)} in "
            f"this process{more}; install one version on all machines"
        )


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]
