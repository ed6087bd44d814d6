"""A run's plan in the store: the parent checks all inputs once and writes it, its children read it and compute.

The key is the digest of the content, so equal plans are one object, and a child knows a damaged one from a good one.
A child opens the inputs that the plan names, and refuses those whose digests no longer hold.
"""

import hashlib
from dataclasses import asdict

from flows.planning.plan import Plan
from storage import keys
from storage.errors import damaged
from storage.store import Store
from tasks.references.json_form import from_json, to_json
from tasks.streaming.reading import Reading


def write_plan(plan: Plan) -> str:
    """Write a plan into its store and return its key."""
    content = {
        "record": plan.record,
        "outputs": plan.outputs,
        "cells": plan.cells,
        "reading": asdict(plan.reading),
    }
    text = to_json(content).encode()
    key = keys.plan(_digest(text))
    plan.store.replace(key, text)
    return key


def read_plan(key: str, store: Store) -> Plan:
    """Return the plan of a key.

    Raises:
        ObjectMissing: the store holds no such plan.
        ObjectDamaged: the content is not that of the key, or another version of this program wrote it. The parent
            writes the plan again when it runs again.
    """
    text = store.read(key)
    if keys.plan(_digest(text)) != key:
        raise damaged(store.address(key), "wanted the plan of that digest, got other bytes")
    try:
        found = from_json(text)
        reading = Reading(**found["reading"])
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(store.address(key), str(error)) from error
    return Plan(store, found["record"], found["outputs"], found["cells"], reading)


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]
