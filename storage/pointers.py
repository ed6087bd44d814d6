"""Which run of an experiment is its latest: the one thing in a store that is written over."""

import json

from storage import keys
from storage.errors import ObjectMissing
from storage.manifests import committed, read_manifest
from storage.store import Store


def point_to_latest(store: Store, experiment: str, run_id: str) -> None:
    """Record the run that an experiment's results are shown of."""
    store.replace(keys.latest(experiment), json.dumps({"run_id": run_id}).encode())


def latest_run(store: Store, experiment: str) -> str:
    """Return the run that was recorded last, or, where none was, the one whose results were written last.

    Raises:
        ObjectMissing: the experiment has no results.
    """
    try:
        return str(json.loads(store.read(keys.latest(experiment)))["run_id"])
    except ObjectMissing:
        runs = {
            read_manifest(store, key).created_at: keys.run_of(key) for key in committed(store, keys.runs(experiment))
        }
        if not runs:
            raise
        return runs[max(runs)]


def experiments(store: Store) -> list[str]:
    """Return the experiments that have results, sorted."""
    return sorted({keys.experiment_of(key) for key in committed(store, "results")})
