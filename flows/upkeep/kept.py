"""The objects that a store keeps: those that kept runs were computed from, and those that runs in progress may need.

A run in progress is known by its plan: a run writes it before it computes anything, and writes it again each day. A
plan counts for seven days after it was last written, unless the run has its results since. So a run that was killed
keeps what it has computed for a week, in which somebody can start it again.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from storage import keys
from storage.errors import ObjectMissing, StorageError
from storage.manifests import Manifest
from storage.store import Store
from storage.upkeep.inventory import Item
from tasks.references.json_form import from_json
from tasks.references.needed import is_needed, needed
from tasks.references.results import RunRecord

log = logging.getLogger("dawin.upkeep")

PLAN_COUNTS = 7 * 24 * 3600.0  # seconds after a plan was last written
_AT_ONCE = 16  # plans read at the same time; each is one request to S3
_TABLES = ("outputs", "coefficients", "mixtures", "components", "bins", "predictions", "samples")
_DERIVED = (*_TABLES, "heads", "made-models")


class Run(NamedTuple):
    """A run with results in the store."""

    experiment: str
    run_id: str
    written: float
    """When its results were committed, seconds since 1970 by the store's clock."""
    manifest: Manifest | None
    """Of the results; None if it cannot be read."""


@dataclass(frozen=True)
class Kept:
    """The objects that stay."""

    runs: Collection[tuple[str, str]]
    """Experiment and run of the runs that stay."""
    in_progress: Collection[tuple[str, str]]
    """Those of the plans that count."""
    needs: frozenset[str]
    """Folders and keys of everything that these runs are computed from."""
    in_use: frozenset[str]
    """The part of `needs` of the plans that count."""
    datasets: frozenset[str]
    """Digests of data sets of which everything stays, because a run's results do not say what they need."""
    everything: bool
    """Whether all tables stay: another version of this program wrote a plan that counts."""
    plans: frozenset[str]
    """Keys of the plans of these runs."""

    @cached_property
    def _run_ids(self) -> frozenset[str]:
        return frozenset(run_id for _, run_id in (*self.runs, *self.in_progress))

    def has(self, key: str) -> bool:
        """Return whether an object stays; a manifest stays with its object.

        Args:
            key: the key of an object, or of a manifest.
        """
        key = key.removesuffix(keys.MANIFEST_SUFFIX)
        table, _, rest = key.partition("/")
        if table in _DERIVED:
            of_kept = bool(self.datasets) and (table not in _TABLES or _dataset_of(key) in self.datasets)
            return self.everything or of_kept or is_needed(key, self.needs)
        if table == keys.CUTS:
            return self.everything or key in self.needs or rest.partition(".")[0] in self.datasets
        if table == "plans":
            return key in self.plans
        if table == "known-manifests":
            return rest.removesuffix(".json") in self._run_ids
        if table in ("results", "comparisons"):
            run = keys.run_in(key)
            return run is None or run in self.runs
        return True  # the catalogue, records of checkpoints, and anything that is not of this program


def kept(store: Store, runs: Sequence[Run], gone: Sequence[Run], found: Mapping[str, Item], now: float) -> Kept:
    """Return the objects that stay.

    Args:
        store: the store.
        runs: the runs whose results stay.
        gone: the runs whose results do not stay.
        found: everything in the store.
        now: by the store's clock.

    Raises:
        StorageError: a plan that may count cannot be read because the store does not answer.
    """
    needs, in_use, datasets, plans = set[str](), set[str](), set[str](), set[str]()
    finished = {plan: run.written for run in (*gone, *runs) if (plan := _plan_of(run)) is not None}
    for run in runs:
        if run.manifest is None:
            continue
        if (plan := _plan_of(run)) is not None:
            plans.add(plan)
        if "needs" in run.manifest.identity:
            needs.update(run.manifest.identity["needs"])
        else:
            datasets.update(_dataset_of(place[2]) or "" for place in run.manifest.identity.get("samples", ()))
    counting = [
        key
        for key, item in found.items()
        if key.startswith("plans/") and now - item.written < PLAN_COUNTS and item.written > finished.get(key, 0.0)
    ]
    done = {(run.experiment, run.run_id): run.written for run in (*runs, *gone)}
    is_unknown = False
    in_progress = set[tuple[str, str]]()
    for key, named in zip(counting, _plans(store, counting), strict=True):
        if named is None:
            is_unknown = True
            plans.add(key)
            continue
        name = (named.record.experiment, named.record.run_id)
        if found[key].written > done.get(name, 0.0):
            in_progress.add(name)
            in_use.update(named.needs)
            plans.add(key)
    return Kept(
        runs={(run.experiment, run.run_id) for run in runs},
        in_progress=in_progress,
        needs=frozenset(needs | in_use),
        in_use=frozenset(in_use),
        datasets=frozenset(datasets - {""}),
        everything=is_unknown,
        plans=frozenset(plans),
    )


def _plan_of(run: Run) -> str | None:
    return None if run.manifest is None else run.manifest.measured.get("plan")


class _Named(NamedTuple):
    record: RunRecord
    needs: Collection[str]


def _plans(store: Store, chosen: list[str]) -> list[_Named | None]:
    """Return the run and the needs of each plan; None for one that no version of this program can run."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="plans") as pool:
        return list(pool.map(lambda key: _named(store, key), chosen))


def _named(store: Store, key: str) -> _Named | None:
    try:
        content = from_json(store.read(key))
        record, outputs = content["record"], [one for of_dataset in content["outputs"] for one in of_dataset]
        return _Named(record, needed(record, content["cells"], outputs))
    except (ObjectMissing, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, StorageError) and not isinstance(error, ObjectMissing):
            raise
        log.warning(
            "%s: another version of dawin wrote this plan, or it is damaged; all tables stay until it is a week old; "
            "remove it if no run uses it",
            store.address(key),
        )
        return None


def results_runs(found: Mapping[str, Item], manifests: Mapping[str, Manifest]) -> list[Run]:
    """Return the runs whose results are committed.

    Args:
        found: everything in the store.
        manifests: of the results, by key, as far as they can be read.
    """
    runs = []
    for key in found:
        where = keys.manifest(key)
        if keys.is_results(key) and where in found:
            written = found[where].written
            runs.append(Run(keys.experiment_of(key), keys.run_of(key), written, manifests.get(key)))
    return runs


def order_of(run: Run) -> tuple[float, str]:
    """Return what sorts the runs of an experiment by the time of their results, the oldest first."""
    if run.manifest is None:
        return run.written, run.run_id
    return datetime.fromisoformat(run.manifest.created_at).timestamp(), run.run_id


def _dataset_of(key: str) -> str | None:
    return next((part.removeprefix("dataset=") for part in key.split("/") if part.startswith("dataset=")), None)
