"""Leftovers of a store: files that killed processes left, or that were moved aside; no reader uses them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from flows.upkeep.prune import is_leftover
from storage import keys
from storage.catalogue.notes import noted
from storage.local_writing import TEMPORARY
from storage.store import Store
from storage.upkeep.aside import FOLDER
from storage.upkeep.inventory import Item, unfinished_uploads

PRUNE = "`dawin store prune` removes them an hour after they were written"
LEFTOVERS: Mapping[str, tuple[str, str]] = {
    "temporary": ("temporary files", PRUNE),
    "uncommitted": ("objects without a manifest", f"the next run uses or replaces them; {PRUNE}"),
    "upload": ("unfinished uploads to S3", PRUNE),
    "aside": ("damaged files that were moved aside", "`dawin store prune` removes them after seven days"),
    "note": (
        "notes of runs that were about to commit results",
        "a run that commits removes them an hour after they were written, and so does `dawin store prune`",
    ),
    "learnt": ("learnt coefficients without their model", "the next run that needs the model writes it"),
}
"""By kind: its name, and what removes leftovers of this kind."""


class Leftover(NamedTuple):
    """A file that no reader uses."""

    key: str
    kind: str
    """One of `LEFTOVERS`."""
    size: int
    """Bytes; 0 for an unfinished upload, whose parts no listing shows."""


def leftovers(store: Store, found: Mapping[str, Item]) -> list[Leftover]:
    """Return the leftovers of a store, by kind.

    A run that is writing at this moment has some of them too.

    Args:
        store: the store.
        found: everything in it.
    """
    uploads = [Leftover(upload.key, "upload", 0) for upload in unfinished_uploads(store)]
    every = [*(Leftover(key, kind, found[key].size) for key, kind in _kinds(found)), *uploads]
    return sorted(every, key=lambda one: ([*LEFTOVERS].index(one.kind), one.key))


def _kinds(found: Mapping[str, Item]) -> Iterator[tuple[str, str]]:
    for notes in noted(found).values():
        yield from ((key, "note") for key in notes)
    for key in found:
        if not keys.is_ours(key):
            continue
        if key.startswith(f"{TEMPORARY}/"):
            yield key, "temporary"
        elif key.startswith(f"{FOLDER}/"):
            yield key, "aside"
        elif key.endswith("/learnt.json"):
            model = key.removesuffix("learnt.json") + "model.safetensors"
            if keys.manifest(model) not in found:
                yield key, "learnt"
        elif not key.endswith(keys.MANIFEST_SUFFIX) and is_leftover(key, found):
            yield key, "uncommitted"
