"""New checkpoints under a watched pattern: which are complete, which are not evaluated yet, and the run of each.

Manifests record finished work: a checkpoint whose results are in the store starts no run, under any name.
"""

import logging
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

from flows.errors import ExperimentError, faults_of
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoint_records import CHECKPOINT_FILES
from flows.planning.checkpoints import Checkpoints
from flows.planning.confined_check import confined_check
from flows.planning.datasets import Datasets
from storage.errors import ObjectMissing, StoreDenied, StoreUnreachable
from storage.locations import Location
from storage.store import Store
from storage.text import shown
from tasks.errors import CheckpointError, DatasetError

# faults of the data sets, of their places and of the store concern every checkpoint
_SHARED = (DatasetError, StoreDenied, StoreUnreachable)

log = logging.getLogger("dawin.watch")


class NewCheckpoint(NamedTuple):
    """A checkpoint that has not been evaluated yet."""

    name: str
    url: str
    digest: str
    experiment: Experiment
    """With this checkpoint in the pattern's place."""
    run_id: str


def new_checkpoints(experiment: Experiment, store: Store, only: str | None = None) -> Iterator[NewCheckpoint]:
    """Yield the checkpoints under an experiment's pattern that are complete and not evaluated, each content once.

    A file that is still being written has no valid header, or ends early: it waits for the next look, and so does one
    that does not fit the experiment.

    Args:
        experiment: the checkpoint of one of its models is a pattern.
        store: holds the results.
        only: address of the one checkpoint to look at; None: all.

    Raises:
        InputError: no checkpoint is a pattern, `only` does not match it, the base or a data set is not good.
    """
    watched = experiment.watched
    if watched is None:
        raise ExperimentError(
            f"experiment {experiment.name}: no model's checkpoint is a pattern such as s3://bucket/finetuned/*"
        )
    checkpoints = Checkpoints(store, experiment.architecture, remember=True, check=confined_check)
    datasets = Datasets()
    try:
        base = checkpoints.model(experiment.models[0])
    except CheckpointError as error:
        raise ExperimentError(str(error)) from error
    seen, shared = {base.digest}, _SharedFaults(experiment, store, checkpoints, datasets)
    for url in _matching(watched.checkpoint, only):
        digest = _digest(experiment, checkpoints, url)
        if digest is None or digest in seen:
            continue
        seen.add(digest)
        own = experiment.with_checkpoint(url)
        try:
            plan = checked_plan(own, store, checkpoints=checkpoints, datasets=datasets)
            is_done = plan.has_results
        except Exception as error:  # as in `_digest`
            if all(isinstance(fault.error, _SHARED) for fault in faults_of(error)):
                raise
            shared.raise_shared(error)
            _pass_over(url, error)
            continue
        if not is_done:
            yield NewCheckpoint(url.rpartition("/")[2], url, digest, own, plan.record.run_id)


class _SharedFaults:
    """The faults that an experiment has for every checkpoint: those that remain when the base replaces the pattern.

    `checked_plan` lists faults of several kinds in one error, a checkpoint's beside those of data sets and settings.
    Faults that the base has too are the experiment's, and end the look; for any other fault one checkpoint is passed
    over.
    """

    def __init__(self, experiment: Experiment, store: Store, checkpoints: Checkpoints, datasets: Datasets) -> None:
        self._experiment = experiment.with_checkpoint(experiment.models[0].checkpoint)
        self._store, self._checkpoints, self._datasets = store, checkpoints, datasets

    def raise_shared(self, error: Exception) -> None:
        """Raise the faults of the experiment when a checkpoint's error lists one of them."""
        if (own := self._fault) is not None and not _faults(own).isdisjoint(_faults(error)):
            raise own

    @cached_property
    def _fault(self) -> Exception | None:
        try:
            checked_plan(self._experiment, self._store, checkpoints=self._checkpoints, datasets=self._datasets)
        except Exception as error:  # returned, and raised where a checkpoint has the same fault
            return error
        return None


def _faults(error: Exception) -> set[str]:
    """Return the faults that an error of `checked_plan` lists, and the parts of those with several."""
    return {part for fault in faults_of(error) for part in fault.text.split("; ")}


def _digest(experiment: Experiment, checkpoints: Checkpoints, url: str) -> str | None:
    """Return the digest of a checkpoint that is good; of another one log the reason and return None."""
    try:
        own = experiment.with_checkpoint(url)
        if own.watched is not None or not url.isprintable():  # a name is shown in runs, results and tables
            raise CheckpointError("its name reads as a pattern, or holds characters that cannot be shown; rename it")
        changed = next(new for new, old in zip(own.models, experiment.models, strict=True) if new != old)
        return checkpoints.model(changed).digest
    except StoreUnreachable:
        raise  # concerns every checkpoint
    except Exception as error:  # any error with one file must not hold up the others
        _pass_over(url, error)
        return None


def _pass_over(url: str, error: Exception) -> None:
    log.warning("%s: passed over: %s", shown(url), shown(str(error), 1000))


def _matching(pattern: str, only: str | None) -> list[str]:
    """Return the addresses of the files that match a pattern, sorted."""
    folder, _, names = Location(pattern).url.rpartition("/")
    if only is not None:
        place, _, name = Location(only).url.rpartition("/")
        if place != folder or not fnmatchcase(name, names):
            raise ExperimentError(f"checkpoint {only} does not match {pattern}")
        return [Location(only).url]
    try:
        found = {_checkpoint_of(entry.path) for entry in Location(folder).files()}
    except ObjectMissing:
        log.info("%s: no such folder yet", pattern)
        return []
    return [f"{folder}/{name}" for name in sorted(found - {None}, key=str) if fnmatchcase(str(name), names)]


def _checkpoint_of(path: str) -> str | None:
    """Return the name under which a file in the watched folder is a checkpoint: its own, or its folder's."""
    name, _, file = path.partition("/")
    return name if file in ("", *CHECKPOINT_FILES) else None
