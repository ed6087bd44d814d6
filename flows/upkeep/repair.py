"""Repair a store: what is damaged goes aside, and what is derived is written again.

The order lets a killed call be carried on by the next one: objects, records, pointers, and at last the catalogue. Until
then the pointer or the catalogue names a run without results, which readers pass over, and which the next verification
finds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from flows.upkeep.verify_records import record_fault
from storage import keys
from storage.catalogue.rebuilding import rebuild
from storage.errors import ObjectChanged, ObjectMissing
from storage.manifests import Manifest
from storage.pointers import pointer_content
from storage.store import Store
from storage.upkeep.aside import move_aside, set_object_aside
from storage.upkeep.object_faults import Fault
from tasks.progress import work

OF_OBJECTS = ("missing", "manifest", "size", "content", "footer")
"""The kinds of faults whose files go aside."""
_TRIES = 5  # writes of a pointer; each run that ends at the same moment costs one


def repair_store(store: Store, faults: Sequence[Fault], results: Mapping[str, Manifest], folder: str) -> list[Fault]:
    """Repair faults and return those that are gone.

    Each is looked at again right before, so that what another run has replaced meanwhile stays.

    Args:
        store: the store.
        faults: as a verification found them.
        results: the manifests of the sound results, by key.
        folder: for what goes aside.

    Raises:
        StorageError: the store cannot be written.
    """
    repaired, of_results = list[Fault](), set[str]()
    with work("repairing", len(faults), unit="faults") as progress:
        for fault in faults:
            if fault.kind in OF_OBJECTS:
                again = set_object_aside(store, fault.key, folder)
                if again is None or again.kind != "unreadable":
                    repaired.append(fault)
                if keys.is_results(fault.key):
                    of_results.add(keys.experiment_of(fault.key))
            elif fault.kind == "record":
                if record_fault(store, fault.key):
                    move_aside(store, fault.key, folder)
                repaired.append(fault)
            else:
                continue
            progress.advance(1)
        pointers = {fault.key: fault for fault in faults if fault.kind == "pointer"}
        for key in sorted({*pointers, *map(keys.latest, of_results)}):
            point_again(store, key, results)
            progress.advance(key in pointers)
        repaired += pointers.values()
        catalogue = [fault for fault in faults if fault.kind == "catalogue"]
        if catalogue or of_results:
            rebuild(store)
            repaired += catalogue
            progress.advance(len(catalogue))
    return repaired


def point_again(store: Store, key: str, results: Mapping[str, Manifest]) -> None:
    """Let a pointer that leads nowhere name the newest sound run of its experiment; remove it if none is left.

    Args:
        store: the store.
        key: the pointer's key.
        results: the manifests of the results that it may name, by their key.
    """
    experiment = keys.pointed_experiment(key)
    own = {where: one for where, one in results.items() if keys.experiment_of(where) == experiment}
    order = sorted(own, key=lambda where: (_moment(own[where]), where), reverse=True)
    for _ in range(_TRIES):
        if not record_fault(store, key):
            return
        newest = next((where for where in order if store.exists(keys.manifest(where))), None)
        try:
            mark = store.stat(key).mark
            if not record_fault(store, key):  # a run has just recorded itself
                return
            if newest is None:
                store.delete(key)
            else:
                store.replace(key, pointer_content(keys.run_of(newest)), expected=mark)
        except ObjectMissing:
            return
        except ObjectChanged:
            continue


def _moment(manifest: Manifest) -> float:
    try:
        return datetime.fromisoformat(manifest.created_at).timestamp()
    except ValueError:
        return 0.0
