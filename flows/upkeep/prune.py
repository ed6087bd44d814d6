"""Prune a store: remove the runs that somebody gives up, and everything that no run needs.

The rule: a store keeps what its kept runs were computed from, what the runs in progress may need (`flows.upkeep.kept`),
and everything that was written within the last hour. All ages are by the store's own clock. Right before each batch of
removals, plans that were written meanwhile are looked for, and what they name stays. A run that looked at the store
before its plan was written, and then finds an object gone, computes it again.

Manifests go first, so that a reader never finds a manifest without its object. A process that is killed meanwhile
leaves objects without a manifest, which the next call removes.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic, time
from typing import NamedTuple

import pyarrow.parquet as pq

from flows.errors import ExperimentError
from flows.upkeep.chosen_runs import RunChoice
from flows.upkeep.kept import Kept, Run, kept, plan_of, results_runs
from flows.upkeep.repair import point_again
from storage import keys
from storage.catalogue.folding import fold
from storage.catalogue.notes import noted
from storage.catalogue.notes import remove as remove_notes
from storage.catalogue.rebuilding import forget
from storage.catalogue.rebuilding import runs as catalogued_runs
from storage.errors import StorageError, StoreDenied
from storage.inspection import current_version
from storage.local_writing import TEMPORARY
from storage.pointers import latest_run
from storage.soundness import manifests
from storage.store import Store
from storage.stripping import strip_logits
from storage.upkeep.inventory import Item, Upload, abort_upload, inventory, now_in, unfinished_uploads
from storage.upkeep.removal import remove
from tasks.progress import work
from tasks.references.needed import is_needed

log = logging.getLogger("dawin.upkeep")

GRACE = 3600.0
"""Seconds for which everything stays after it was written."""
_ASIDE = 7 * 24 * 3600.0  # seconds for which damaged objects stay that `store verify --repair` moved aside
_UPLOADS = 24  # times as long unfinished uploads stay: a large model may take hours
_SECONDS = 5.0  # between two looks for new plans while logits are removed
_AT_ONCE = 8  # objects stripped, or pointers read, at the same time on S3


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a call of `prune` removed, or would remove."""

    before: Mapping[str, Item]
    """Everything in the store, by key."""
    removed: Sequence[str]
    """Keys of objects, manifests and temporary files."""
    runs: Sequence[tuple[str, str]]
    """Experiment and run of the removed runs."""
    kept: Kept
    """The objects that stayed."""
    stripped: Mapping[str, int] = field(default_factory=dict)
    """Bytes that outputs became smaller by, by key."""
    uploads: Sequence[Upload] = ()
    """Unfinished uploads that were aborted."""


def prune(store: Store, choice: RunChoice, *, logits: bool = False, dry: bool = False, grace: float = GRACE) -> Pruned:
    """Remove runs, and every object that no kept run and no run in progress needs.

    Args:
        store: the store.
        choice: the runs to remove.
        logits: whether to remove the logits of outputs that no run in progress uses.
        dry: whether to remove nothing and return what would be removed.
        grace: seconds for which everything stays after it was written.

    Raises:
        ExperimentError: the choice names an experiment that does not exist.
        StoreDenied: the store cannot be written.
    """
    now = _now(store, dry=dry)
    found = inventory(store)
    if not any(map(keys.is_ours, found)):
        raise ExperimentError(f"{store.url}: not a store: nothing in it has the form of a store's own objects")
    runs = results_runs(found, manifests(store, "results"))
    latest = _latest_runs(store, runs)
    gone = choice.chosen(runs, latest, now)
    keep = kept(store, _without(runs, gone), gone, found, now)
    gone = [run for run in gone if (run.experiment, run.run_id) not in keep.in_progress]
    keep = kept(store, _without(runs, gone), gone, found, now)
    look = _Look(store, keep, gone, found, _Ages(now, grace))
    chosen = [key for key in found if look.goes(key)]
    uploads = [u for u in unfinished_uploads(store) if keys.is_ours(u.key) and now - u.started > _UPLOADS * grace]
    if not dry:
        chosen = _removed(look, chosen, gone, _without(runs, gone), latest)
        for upload in uploads:
            abort_upload(store, upload)
    stripped = _stripped(look, set(chosen), dry=dry) if logits else {}
    names = [(run.experiment, run.run_id) for run in gone]
    return Pruned(before=found, removed=chosen, runs=names, kept=look.keep, stripped=stripped, uploads=uploads)


class _Ages(NamedTuple):
    now: float
    grace: float


class _Look:
    """Decides for each object whether it goes, by a look at the store and the plans that were written since."""

    def __init__(self, store: Store, keep: Kept, gone: Sequence[Run], found: Mapping[str, Item], ages: _Ages) -> None:
        self.store, self.keep, self.found = store, keep, found
        self._gone, (self._now, self._grace) = gone, ages
        self._removed_runs = {(run.experiment, run.run_id) for run in gone}
        self._removed_plans = {plan for run in gone if (plan := plan_of(run)) is not None}
        self._looked, self._lock = monotonic(), Lock()
        self._plans = {key: item for key, item in found.items() if key.startswith("plans/")}

    def goes(self, key: str) -> bool:
        """Return whether an object, a manifest or a temporary file goes."""
        if not keys.is_ours(key):
            return False
        age = self._now - self.found[key].written
        if key.startswith("damaged/"):
            return age > _ASIDE
        if key in self._removed_plans and key not in self.keep.plans:
            return True  # whatever its age: without the run's results it would count as a run in progress
        if key.startswith(("results/", "comparisons/")) and not self.keep.has(key):
            return keys.run_in(key) in self._removed_runs or age > self._grace
        if age <= self._grace:
            return False
        return key.startswith(f"{TEMPORARY}/") or is_leftover(key, self.found) or not self.keep.has(key)

    def is_young(self, key: str) -> bool:
        """Return whether an object was written so lately that it stays as it is."""
        return self._now - self.found[key].written <= self._grace

    def still_go(self, batch: Sequence[str]) -> list[str]:
        """Return the keys that go after all: not those that a plan names which was written meanwhile."""
        self.look_again()
        return [key for key in batch if key in self.found and self.goes(key)]

    def is_in_use(self, key: str) -> bool:
        """Return whether a run in progress may need an object, by a look that is some seconds old at most."""
        with self._lock:
            if monotonic() - self._looked > _SECONDS:
                self.look_again()
            return is_needed(key, self.keep.in_use)

    def look_again(self) -> None:
        """Look for plans that were written meanwhile, and keep what they name."""
        self._looked, plans = monotonic(), inventory(self.store, "plans")
        if any(item != self._plans.get(key) for key, item in plans.items()):
            self._plans = plans
            rest = {key: item for key, item in self.found.items() if not key.startswith("plans/")}
            self.found = {**rest, **plans}
            runs = results_runs(self.found, manifests(self.store, "results"))
            left = [run for run in runs if (run.experiment, run.run_id) not in self._removed_runs]
            self.keep = kept(self.store, left, self._gone, self.found, now_in(self.store))


def is_leftover(key: str, found: Mapping[str, Item]) -> bool:
    """Return whether a key is that of an object that needs a manifest and has none.

    Args:
        key: of an object or a manifest.
        found: everything in the store.
    """
    has_manifest = keys.is_table(key) or key.endswith(".safetensors")
    kind = key.partition("/")[0]
    return bool(current_version(kind)) and has_manifest and keys.manifest(key) not in found


def _removed(
    look: _Look, chosen: Sequence[str], gone: Sequence[Run], left: Sequence[Run], latest: Mapping[str, str | None]
) -> list[str]:
    """Remove objects; first the plans of the removed runs, without whose results they would count as in progress.

    The manifests of these results follow, so that the catalogue can forget the runs.
    """
    store = look.store
    plans = {plan for run in gone if (plan := plan_of(run)) is not None}
    own = {keys.manifest(keys.results(run.experiment, run.run_id)) for run in gone}
    with work("removing what no run needs", len(chosen), unit="files") as progress:

        def on_batch(batch: Sequence[str]) -> Sequence[str]:
            progress.advance(len(batch))
            return look.still_go(batch)

        removed = remove(store, [key for key in chosen if key in plans], on_batch)
        removed += remove(store, [key for key in chosen if key in own], on_batch)
        if absent := _absent(look, gone):
            forget(store, absent)
        _point_to_others(look, left, latest)
        removed += _notes(look)
        first = own | plans
        return removed + remove(store, [key for key in chosen if key not in first], on_batch)


def _notes(look: _Look) -> list[str]:
    """Remove the notes of runs that were about to commit, once the catalogue has those that did; return the keys."""
    notes = [key for own in noted(look.found).values() for key in own if not look.is_young(key)]
    if notes:
        fold(look.store, [])
        remove_notes(look.store, notes)
    return notes


def _absent(look: _Look, gone: Sequence[Run]) -> list[tuple[str, str]]:
    """Return the removed runs, and those of the catalogue whose results somebody removed before."""
    catalogued = catalogued_runs(look.store).select("experiment", "run_id").iter_rows()
    by_others = [run for run in catalogued if keys.manifest(keys.results(*run)) not in look.found]
    return [*((run.experiment, run.run_id) for run in gone), *by_others]


def _point_to_others(look: _Look, left: Sequence[Run], latest: Mapping[str, str | None]) -> None:
    """Let no pointer lead to a removed run, also not to one that a killed call has removed."""
    names = {(run.experiment, run.run_id) for run in left}
    results = {keys.results(run.experiment, run.run_id): run.manifest for run in left if run.manifest is not None}
    for key in look.found:
        experiment = keys.pointed_experiment(key)
        if experiment and (experiment, latest.get(experiment)) not in names:
            point_again(look.store, key, results)


def _without(runs: Sequence[Run], gone: Sequence[Run]) -> list[Run]:
    names = {(run.experiment, run.run_id) for run in gone}
    return [run for run in runs if (run.experiment, run.run_id) not in names]


def _stripped(look: _Look, gone: set[str], *, dry: bool) -> dict[str, int]:
    """Strip outputs of their logits and return the bytes that this frees, by key."""
    store = look.store
    chosen = [
        key
        for key, manifest in manifests(store, "outputs").items()
        if manifest.widths.get("logits") != 0 and key in look.found and key not in gone and not look.is_young(key)
    ]
    with work("removing logits", len(chosen), unit="objects") as progress:

        def strip(key: str) -> int:
            progress.advance(1)
            if look.is_in_use(key):
                return 0
            try:
                return _logits_in(store, key) if dry else strip_logits(store, key)
            except StorageError as error:
                if isinstance(error, StoreDenied):
                    raise
                log.warning("left as it is: %s", error)
                return 0

        if store.scheme != "s3":
            return {key: strip(key) for key in chosen}
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="logits") as pool:
            return dict(zip(chosen, pool.map(strip, chosen), strict=True))


def _logits_in(store: Store, key: str) -> int:
    """Return the bytes of the logits in an object, from its footer."""
    with store.open(key) as file:
        footer = pq.read_metadata(file)
    groups = (footer.row_group(i) for i in range(footer.num_row_groups))
    columns = (group.column(i) for group in groups for i in range(group.num_columns))
    return sum(one.total_compressed_size for one in columns if one.path_in_schema.startswith("logits"))


def _latest_runs(store: Store, runs: Sequence[Run]) -> dict[str, str | None]:
    """Return the run that commands show of each experiment; on S3 each is a request."""
    names = sorted({run.experiment for run in runs})
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pointers") as pool:
        return dict(zip(names, pool.map(lambda name: _latest(store, name), names), strict=True))


def _latest(store: Store, experiment: str) -> str | None:
    try:
        return latest_run(store, experiment)
    except StorageError:
        return None


def _now(store: Store, *, dry: bool) -> float:
    """Return the time by the store's clock; by this machine's where a dry run may not write."""
    try:
        return now_in(store)
    except StoreDenied:
        if dry:
            return time()
        raise
