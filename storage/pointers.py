"""The pointer to an experiment's latest run, which is the only object in a store that a run overwrites."""

import json
import logging

from storage import keys
from storage.catalogue.reading import look
from storage.errors import ObjectMissing
from storage.store import Store

log = logging.getLogger("dawin.storage")


def point_to_latest(store: Store, experiment: str, run_id: str) -> None:
    """Record the run whose results an experiment shows.

    Args:
        store: the store that holds the results.
        experiment: the experiment's name.
        run_id: the run's identifier.
    """
    store.replace(keys.latest(experiment), pointer_content(run_id))


def pointer_content(run_id: str) -> bytes:
    """Return the content of a pointer to a run."""
    return json.dumps({"run_id": run_id}).encode()


def latest_run(store: Store, experiment: str) -> str:
    """Return the identifier of the run that was recorded last.

    Without a record that can be read, this is the run with the newest results.

    Args:
        store: the store that holds the results.
        experiment: the experiment's name.

    Raises:
        ObjectMissing: the experiment has no results.
    """
    try:
        return _recorded(store, experiment)
    except ObjectMissing:
        return _written_last(store, experiment)
    except (ValueError, TypeError, KeyError, RecursionError):
        run = _written_last(store, experiment)
        address = store.address(keys.latest(experiment))
        log.warning(
            "%s: damaged, taking the run written last, %s; `dawin run EXPERIMENT` records it again", address, run
        )
        return run


def is_recorded(store: Store, experiment: str) -> bool:
    """Return whether a latest run of an experiment is recorded, which costs one request."""
    if not experiment or "/" in experiment:
        return False
    try:
        return bool(_recorded(store, experiment))
    except (ObjectMissing, ValueError, TypeError, KeyError, RecursionError):
        return False


def _recorded(store: Store, experiment: str) -> str:
    run = json.loads(store.read(keys.latest(experiment)))["run_id"]
    if not isinstance(run, str):
        raise TypeError(f"run_id: wanted text, got {run!r}")
    return run


def _written_last(store: Store, experiment: str) -> str:
    runs = look(store, experiment).every.sort("created_at", "run_id", nulls_last=False)  # null: its time is unknown
    if runs.is_empty():
        raise ObjectMissing(f"{store.address(keys.runs(experiment))}: no results")
    return str(runs["run_id"][-1])


def experiments(store: Store) -> list[str]:
    """Return the names of the experiments that have results, sorted."""
    return look(store).every["experiment"].unique().sort().to_list()
