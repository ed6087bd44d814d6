"""The objects that a store keeps: those that kept runs were computed from, and those that runs in progress may need.

A run in progress is known by its plan: a run writes it before it computes anything, and writes it again each day. A
plan counts for seven days after it was last written, unless the run has its results since. So a run that was killed
keeps what it has computed for a week, in which somebody can start it again. The plan of a run that has results, and is
run again, counts for a day. Results that `store verify --repair` moved aside protect what they were computed from as
long as they lie there: a week.
"""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from storage import keys
from storage.errors import ObjectMissing, StorageError, first_line
from storage.manifests import Manifest
from storage.store import Store
from storage.upkeep.inventory import Item
from tasks.references.json_form import from_json
from tasks.references.needed import is_needed, needed

log = logging.getLogger("dawin.upkeep")

PLAN_COUNTS = 7 * 24 * 3600.0  # seconds after a plan was last written
RERUN_COUNTS = 25 * 3600.0  # the same for a run that has results from before
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

    @cached_property
    def _experiments(self) -> frozenset[str]:
        return frozenset(experiment for experiment, _ in (*self.runs, *self.in_progress))

    def has(self, key: str) -> bool:
        """Return whether an object stays; a manifest stays with its object.

        Args:
            key: the key of an object, or of a manifest.
        """
        key = key.removesuffix(keys.MANIFEST_SUFFIX)
        table, _, rest = key.partition("/")
        if table in _DERIVED:
            return self._has_derived(key)
        name = rest.removeprefix("experiment=").removesuffix(".json")
        match table:
            case "plans":
                return key in self.plans
            case "known-manifests":
                return name in self._run_ids
            case "checkpoints":  # the copies for an experiment; the records themselves stay
                return not rest.startswith("experiment=") or name in self._experiments
            case "results" | "comparisons":
                return keys.run_in(key) is None or keys.run_in(key) in self.runs
        return True  # the catalogue, the cuts of data sets, and anything that is not of this program

    def _has_derived(self, key: str) -> bool:
        dataset = _dataset_of(key)
        of_kept = bool(self.datasets) and (dataset is None or dataset in self.datasets)
        return self.everything or of_kept or is_needed(key, self.needs)


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
    every = (*runs, *gone)
    finished = {plan: run.written for run in every if (plan := plan_of(run)) is not None}
    done = {(run.experiment, run.run_id): run.written for run in every}
    counting = [
        key
        for key, item in found.items()
        if key.startswith("plans/") and now - item.written < PLAN_COUNTS and item.written > finished.get(key, 0.0)
    ]
    named = dict(zip(counting, _plans(store, counting), strict=True))
    running = {
        key: one
        for key, one in named.items()
        if one and (one.run not in done or done[one.run] < found[key].written > now - RERUN_COUNTS)
    }
    in_use = {place for one in running.values() for place in one.needs}
    identities = [run.manifest.identity for run in runs if run.manifest is not None]
    needs = {place for identity in identities for place in identity.get("needs", ())} | _needed_aside(store, found)
    silent = [run for run in runs if run.manifest is None or not {"needs", "samples"} & run.manifest.identity.keys()]
    for run in silent:
        where = store.address(keys.results(run.experiment, run.run_id))
        log.warning("%s: does not say what the run needs, so all tables stay; `dawin store verify` shows more", where)
    unsaid = [place for identity in identities if "needs" not in identity for *_, place in identity.get("samples", ())]
    unknown = {key for key, one in named.items() if one is None}
    return Kept(
        runs={(run.experiment, run.run_id) for run in runs},
        in_progress={one.run for one in running.values()},
        needs=frozenset(needs | in_use),
        in_use=frozenset(in_use),
        datasets=frozenset(filter(None, map(_dataset_of, unsaid))),
        everything=bool(unknown or silent),
        plans=frozenset({*filter(None, map(plan_of, runs)), *running, *unknown}),
    )


def _needed_aside(store: Store, found: Mapping[str, Item]) -> set[str]:
    """Return what the results need that were moved aside because they are damaged."""
    needs = set[str]()
    for key in found:
        if key.startswith("damaged/") and key.endswith("/results.parquet" + keys.MANIFEST_SUFFIX):
            try:
                needs.update(json.loads(store.read(key))["identity"]["needs"])
            except (ObjectMissing, ValueError, TypeError, KeyError, RecursionError) as error:
                log.warning("%s: does not say what the run needs (%s)", store.address(key), first_line(error))
    return needs


def plan_of(run: Run) -> str | None:
    """Return the key of the plan that a run's results were computed by; None if they do not say it."""
    plan: str | None = run.manifest.measured.get("plan") if run.manifest is not None else None
    return plan


class _Named(NamedTuple):
    run: tuple[str, str]
    needs: Collection[str]


def _plans(store: Store, chosen: list[str]) -> list[_Named | None]:
    """Return the run and the needs of each plan; None for one that no version of this program can run."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="plans") as pool:
        return list(pool.map(lambda key: _named(store, key), chosen))


def _named(store: Store, key: str) -> _Named | None:
    try:
        content = from_json(store.read(key))
        record, outputs = content["record"], [one for of_dataset in content["outputs"] for one in of_dataset]
        return _Named((record.experiment, record.run_id), needed(record, content["cells"], outputs))
    except (ObjectMissing, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
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
    try:
        moment = datetime.fromisoformat(run.manifest.created_at).timestamp() if run.manifest else run.written
    except ValueError:
        moment = run.written
    return moment, run.run_id


def _dataset_of(key: str) -> str | None:
    return next((part.removeprefix("dataset=") for part in key.split("/") if part.startswith("dataset=")), None)
