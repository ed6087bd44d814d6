"""Checkpoints that have landed under a pattern: which are whole, which are new, and the run that each one starts.

What has been done is known from manifests: a checkpoint whose results are all in the store starts nothing, whatever it
is called and whoever evaluated it.
"""

import logging
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

from flows.errors import ExperimentError
from flows.experiment.settings import Experiment
from flows.planning.check import prepare
from flows.planning.checkpoints import CHECKPOINT_FILES, Checkpoints
from flows.planning.confined_check import confined_look
from flows.planning.datasets import Listings
from storage.errors import ObjectMissing, StoreDenied, StoreUnreachable
from storage.locations import Location
from storage.store import Store
from storage.text import shown
from tasks.errors import CheckpointError, DatasetError

# what is wrong for all checkpoints: a data set, and the place of the data sets and of the store
_OF_ALL = (DatasetError, StoreDenied, StoreUnreachable)

log = logging.getLogger("dawin.watch")


class Landed(NamedTuple):
    """A checkpoint that has not been evaluated yet."""

    name: str
    url: str
    digest: str
    experiment: Experiment
    """With this checkpoint in the pattern's place."""
    run_id: str


def new_checkpoints(experiment: Experiment, store: Store, only: str | None = None) -> Iterator[Landed]:
    """Yield the checkpoints under an experiment's pattern that are whole and not evaluated, each content once.

    A file that is still being written has no valid header, or ends early, and waits for the next look; so does one that
    does not fit the experiment.

    Args:
        experiment: one of its models' checkpoints is a pattern.
        store: where results are.
        only: the address of one checkpoint, where an event has told it.

    Raises:
        InputError: no checkpoint is a pattern, `only` does not match it, the base or a data set is not good.
    """
    landing = experiment.landing
    if landing is None:
        raise ExperimentError(
            f"experiment {experiment.name}: no model's checkpoint is a pattern such as s3://bucket/finetuned/*"
        )
    known, listings = Checkpoints(store, experiment.architecture, remember=True, look=confined_look), Listings()
    try:
        base = known.model(experiment.models[0])
    except CheckpointError as error:
        raise ExperimentError(str(error)) from error
    seen, common = {base.digest}, _Common(experiment, store, known, listings)
    for url in _matching(landing.checkpoint, only):
        digest = _digest(experiment, known, url)
        if digest is None or digest in seen:
            continue
        seen.add(digest)
        mine = experiment.landed(url)
        try:
            plan = prepare(mine, store, known=known, listings=listings)
            is_done = plan.has_results
        except _OF_ALL:
            raise
        except Exception as error:  # as in `_digest`
            common.raise_shared(error)
            _pass_over(url, error)
            continue
        if not is_done:
            yield Landed(url.rpartition("/")[2], url, digest, mine, plan.record.run_id)


class _Common:
    """What is wrong with an experiment whatever has landed: the faults it has with its base in the pattern's place.

    `prepare` lists faults of several kinds in one error, a checkpoint's beside those of data sets and settings. Those
    that the base has too are the experiment's, and end the look; for any other one only the checkpoint is passed over.
    """

    def __init__(self, experiment: Experiment, store: Store, known: Checkpoints, listings: Listings) -> None:
        self._experiment = experiment.landed(experiment.models[0].checkpoint)
        self._store, self._known, self._listings = store, known, listings

    def raise_shared(self, error: Exception) -> None:
        """Raise the faults of the experiment when a checkpoint's error lists one of them."""
        if (own := self._fault) is not None and not _faults(own).isdisjoint(_faults(error)):
            raise own

    @cached_property
    def _fault(self) -> Exception | None:
        try:
            prepare(self._experiment, self._store, known=self._known, listings=self._listings)
        except Exception as error:  # returned, and raised where it is a checkpoint's too
            return error
        return None


def _faults(error: Exception) -> set[str]:
    """Return the faults that an error of `prepare` lists."""
    return set(str(error).split("; "))


def _digest(experiment: Experiment, known: Checkpoints, url: str) -> str | None:
    """Return the digest of a checkpoint that is good; None, with a line in the log, of one that is not."""
    try:
        mine = experiment.landed(url)
        if mine.landing is not None or not url.isprintable():  # a name is shown in runs, results and tables
            raise CheckpointError("its name reads as a pattern, or holds characters that cannot be shown; rename it")
        changed = next(new for new, old in zip(mine.models, experiment.models, strict=True) if new != old)
        return known.model(changed).digest
    except StoreUnreachable:
        raise  # what all checkpoints have in common
    except Exception as error:  # whatever a file, or its name, makes a reader raise: the others do not wait for it
        _pass_over(url, error)
        return None


def _pass_over(url: str, error: Exception) -> None:
    log.warning("%s: passed over: %s", shown(url), shown(str(error), 1000))


def _matching(pattern: str, only: str | None) -> list[str]:
    folder, _, names = Location(pattern).url.rpartition("/")
    if only is not None:
        place, _, name = Location(only).url.rpartition("/")
        if place != folder or not fnmatchcase(name, names):
            raise ExperimentError(f"checkpoint {only} does not match {pattern}")
        return [Location(only).url]
    try:
        found = {_checkpoint_of(entry.path) for entry in Location(folder).files()}
    except ObjectMissing:
        log.info("%s: nothing has landed yet", pattern)
        return []
    return [f"{folder}/{name}" for name in sorted(found - {None}, key=str) if fnmatchcase(str(name), names)]


def _checkpoint_of(path: str) -> str | None:
    """Return the name by which a file below the watched folder is a checkpoint: its own, or that of its folder."""
    name, _, file = path.partition("/")
    return name if file in ("", *CHECKPOINT_FILES) else None
