"""Verify a store: each object against its manifest, records, pointers and the catalogue; and repair what is damaged.

A fault is something that no run and no kill of a run leaves behind. Files that a killed process left are leftovers: no
reader uses them, and `dawin store prune` removes them.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import NamedTuple

from flows.upkeep.leftovers import Leftover, leftovers
from flows.upkeep.repair import repair_store
from flows.upkeep.verify_records import absent_places, record_faults
from storage import keys
from storage.catalogue.rebuilding import faults as catalogue_faults
from storage.inspection import current_version
from storage.manifests import Manifest
from storage.store import Store
from storage.upkeep.aside import folder_of_now, original_of
from storage.upkeep.inventory import Item, inventory
from storage.upkeep.object_faults import Checked, Fault, check_object
from tasks.progress import Work, work

KINDS: Mapping[str, str] = {
    "missing": "manifests without their object",
    "manifest": "manifests that cannot be read, or describe another object",
    "size": "objects of another size than their manifest says",
    "content": "objects with other bytes than their manifest says",
    "footer": "objects whose content does not fit their manifest",
    "unreadable": "files that the store does not let this process read",
    "tables": "tables of runs with results, of which the store does not hold all samples",
    "pointer": "pointers to the latest run of an experiment that lead nowhere",
    "record": "records that cannot be read",
    "catalogue": "differences between the catalogue and the results",
}
"""The kinds of faults, in the order in which they are shown."""
_AT_ONCE = 8  # objects in work at the same time; each holds at most 16 MiB
_BATCH = 4096
_COMPUTED = ("outputs", "coefficients", "mixtures", "components", "bins", "predictions", "samples")


class Remark(NamedTuple):
    """Something that is no damage."""

    key: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The outcome of a verification."""

    objects: int
    """Committed objects that were read."""
    bytes: int
    """Their size, and that of everything else that was read."""
    seconds: float
    faults: Sequence[Fault]
    """In the order of `KINDS`."""
    repaired: Sequence[Fault]
    """Those that are repaired now."""
    leftovers: Sequence[Leftover]
    remarks: Sequence[Remark]
    aside: str | None
    """The folder to which damaged files were moved; None: nothing was repaired."""

    @property
    def left(self) -> list[Fault]:
        """The faults that are not repaired."""
        repaired = set(self.repaired)
        return [fault for fault in self.faults if fault not in repaired]


def verify(store: Store, *, repair: bool = False) -> Verified:
    """Verify a store.

    Args:
        store: the store.
        repair: whether to move what is damaged aside, and to write pointers and the catalogue again.

    Raises:
        StorageError: the store does not answer; with `repair` also: it cannot be written.
    """
    began, found = monotonic(), inventory(store)
    chosen = [key for key in map(_object_of, found) if key is not None]
    total = sum(found[key].size for key in chosen if key in found)
    manifests, objects, remarks = dict[str, Manifest](), list[Fault](), list[Remark]()
    with work("verifying objects", max(total >> 20, 1), unit="MiB") as progress:
        for key, checked in _checked(store, chosen, progress):
            if checked.fault:
                objects.append(checked.fault)
            elif checked.manifest and keys.is_results(key):
                manifests[key] = checked.manifest
            if checked.remark:
                remarks.append(Remark(key, checked.remark))
    tables, known = _absent(manifests, found, chosen, {fault.key for fault in objects})
    records, catalogue = record_faults(store, found), _catalogue(store, {fault.key for fault in objects})
    every = sorted([*objects, *tables, *records, *catalogue], key=lambda one: ([*KINDS].index(one.kind), one.key))
    folder = folder_of_now() if repair and every else None
    return Verified(
        objects=len(chosen),
        bytes=sum(item.size for key, item in found.items() if keys.is_ours(key) and original_of(key) is None),
        faults=every,
        repaired=repair_store(store, every, manifests, folder) if folder else [],
        leftovers=leftovers(store, found),
        remarks=[*remarks, *known],
        aside=folder,
        seconds=monotonic() - began,
    )


def _object_of(key: str) -> str | None:
    """Return the key of the object whose manifest a key is; None for other keys, and those of other programs."""
    of = key.removesuffix(keys.MANIFEST_SUFFIX)
    is_one = of != key and current_version(of.partition("/")[0]) and (keys.is_table(of) or keys.is_ours(of))
    return of if is_one else None


def _checked(store: Store, chosen: Sequence[str], progress: Work) -> Iterator[tuple[str, Checked]]:
    """Yield the outcome for each object; on S3 and on several cores, several are in work at the same time."""
    read = _by_mebibyte(progress)
    at_once = _AT_ONCE if store.scheme == "s3" else min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(at_once, thread_name_prefix="verify") as pool:
        for start in range(0, len(chosen), _BATCH):
            some = chosen[start : start + _BATCH]
            yield from zip(some, pool.map(lambda key: check_object(store, key, read), some), strict=True)


def _by_mebibyte(progress: Work) -> Callable[[int], None]:
    lock, done = Lock(), [0]

    def read(size: int) -> None:
        with lock:
            before, done[0] = done[0], done[0] + size
            if step := (done[0] >> 20) - (before >> 20):
                progress.advance(step)

    return read


def _absent(
    results: Mapping[str, Manifest], found: Mapping[str, Item], chosen: Sequence[str], damaged: set[str]
) -> tuple[list[Fault], list[Remark]]:
    """Return the tables that results were computed from and that are not whole; those moved aside are remarks."""
    needs = dict[str, list[tuple[str, str]]]()
    for key, manifest in results.items():
        for place in manifest.identity.get("needs", ()):
            if place.partition("/")[0] in _COMPUTED:
                needs.setdefault(place, []).append((keys.experiment_of(key), keys.run_of(key)))
    asides = [original for key in found if (original := original_of(key)) is not None]
    committed = {*chosen}
    objects = (key for key in found if not key.endswith(keys.MANIFEST_SUFFIX) and key not in committed)
    uncommitted = [key for key in objects if _object_of(keys.manifest(key))]
    known = {key.rpartition("/")[0] for key in [*asides, *uncommitted, *damaged]}
    faults, remarks = list[Fault](), list[Remark]()
    for place, got in absent_places(needs, committed - damaged).items():
        (experiment, run), more = needs[place][0], len(needs[place]) - 1
        runs = f"run {run} of {experiment}" + (f" and {more:,} more" if more else "")
        if place in known:
            remarks.append(Remark(place, f"to be computed again: {runs} needs it; `dawin run` does so"))
        else:
            faults.append(Fault(place, "tables", f"wanted the table of {runs}, got {got}"))
    return faults, remarks


def _catalogue(store: Store, damaged: set[str]) -> list[Fault]:
    """Return the faults of the catalogue; not those of runs whose results are damaged, and no notes of killed runs."""
    faults = []
    for line in catalogue_faults(store):
        key, _, reason = line.removeprefix(f"{store.url}/").partition(": ")
        if key not in damaged and "/pending/" not in key:
            faults.append(Fault(key, "catalogue", reason.partition("; `dawin")[0]))
    return faults
