"""New checkpoints under a watched pattern: which are complete, which are not evaluated yet, and the run of each.

Manifests record finished work: a checkpoint whose results are in the store starts no run, under any name.
"""

import logging
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

from flows.errors import ExperimentError, faults_of
from flows.experiment.input_settings import ModelSettings
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoint_records import CHECKPOINT_FILES
from flows.planning.checkpoints import Checkpoints
from flows.planning.confined_check import confined_check
from flows.planning.datasets import Datasets
from flows.planning.evaluated_checkpoints import EvaluatedCheckpoints, marks_of
from flows.planning.plan import Plan
from storage.errors import ObjectMissing, StorageError, StoreDenied, StoreUnreachable
from storage.files import FileEntry
from storage.locations import Location
from storage.soundness import is_committed
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
    watched = refuse_unwatched(experiment)
    look = _Look(experiment, store)
    urls, files = _matching(watched.checkpoint, only)
    is_complete = False
    try:
        yield from look.new(urls, files, watched.checkpoint)
        is_complete = True
    finally:
        look.keep(is_complete=is_complete)


def refuse_unwatched(experiment: Experiment) -> ModelSettings:
    """Return the model whose checkpoint is a pattern.

    Raises:
        ExperimentError: no checkpoint is one.
    """
    if (watched := experiment.watched) is None:
        raise ExperimentError(
            f"experiment {experiment.name}: no model's checkpoint is a pattern such as s3://bucket/finetuned/*; name "
            "one, or evaluate the experiment with `dawin run`"
        )
    return watched


class _Look:
    """One look for new checkpoints.

    Args:
        experiment: the checkpoint of one of its models is a pattern.
        store: holds the results.

    Raises:
        ExperimentError: the base is not good.
    """

    def __init__(self, experiment: Experiment, store: Store) -> None:
        self._experiment, self._store, self._datasets = experiment, store, Datasets()
        self._checkpoints = Checkpoints(
            store, experiment.architecture, remember=True, check=confined_check, experiment=experiment.name
        )
        base = experiment.models[0]
        self._checkpoints.places.look_at([base.checkpoint])
        try:
            found = self._checkpoints.model(base)
        except CheckpointError as error:
            raise ExperimentError(str(error)) from error
        self._runs: dict[str, str | None] = {found.digest: ""}  # by content: the run that evaluated it, None: none yet
        self._shared = _SharedFaults(experiment, store, self._checkpoints, self._datasets)
        self._evaluated: EvaluatedCheckpoints | None = None

    def new(self, urls: Sequence[str], files: Sequence[FileEntry], pattern: str) -> Iterator[NewCheckpoint]:
        """Yield those of some checkpoints that are complete and not evaluated.

        Args:
            urls: their addresses.
            files: all files below their folder; empty if they were not listed.
            pattern: the address that they match.
        """
        marks = dict[str, str]()
        if files and urls and isinstance(base := self._shared.plan, Plan):
            self._evaluated = EvaluatedCheckpoints(self._store, base, pattern)
            folder = urls[0].rpartition("/")[0]
            self._checkpoints.places.add(folder, files)
            marks = {f"{folder}/{name}": mark for name, mark in marks_of([_name(url) for url in urls], files).items()}
        for url in urls:
            mark = marks.get(url, "")
            if self._evaluated and (known := self._evaluated.known(url, mark)):
                self._runs.setdefault(known.digest, known.run_id)
            elif digest := _digest(self._experiment, self._checkpoints, url):
                if digest not in self._runs and (found := self._not_evaluated(url, digest)):
                    yield found
                if self._evaluated and (run_id := self._runs[digest]) is not None:
                    self._evaluated.note(url, mark, digest, run_id)

    def keep(self, *, is_complete: bool) -> None:
        """Write what the look has learnt into the store; a fault is a warning, as it costs only time."""
        try:
            self._checkpoints.keep()
            if self._evaluated:
                self._evaluated.save(is_complete=is_complete)
        except StorageError as error:
            log.warning("not remembered for the next look: %s", error)

    def _not_evaluated(self, url: str, digest: str) -> NewCheckpoint | None:
        """Return a checkpoint without results; None for another one, and for one that is passed over."""
        self._runs[digest] = None
        own = self._experiment.with_checkpoint(url)
        try:
            run = checked_plan(own, self._store, checkpoints=self._checkpoints, datasets=self._datasets).record
            is_done = (self._evaluated is not None and self._evaluated.has_results(run.run_id)) or is_committed(
                self._store, run.key, contents=True
            )
        except Exception as error:  # as in `_digest`
            if all(isinstance(fault.error, _SHARED) for fault in faults_of(error)):
                raise
            self._shared.raise_shared(error)
            _pass_over(url, error)
            return None
        if is_done:
            self._runs[digest] = run.run_id
            return None
        return NewCheckpoint(_name(url), url, digest, own, run.run_id)


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
        if not isinstance(own := self.plan, Plan) and not _faults(own).isdisjoint(_faults(error)):
            raise own

    @cached_property
    def plan(self) -> Plan | Exception:
        """The plan with the base in the pattern's place, or the faults that every checkpoint has."""
        try:
            return checked_plan(
                self._experiment,
                self._store,
                remember=False,
                checkpoints=self._checkpoints,
                datasets=self._datasets,
            )
        except Exception as error:  # returned, and raised where a checkpoint has the same fault
            return error


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


def _matching(pattern: str, only: str | None) -> tuple[list[str], list[FileEntry]]:
    """Return the addresses of the checkpoints that match a pattern, sorted, and all files below the watched folder.

    If one checkpoint alone is asked for, nothing is listed.
    """
    folder, _, names = Location(pattern).url.rpartition("/")
    if only is not None:
        place, _, name = Location(only).url.rpartition("/")
        if place != folder or not fnmatchcase(name, names):
            raise ExperimentError(f"checkpoint {only} does not match {pattern}")
        return [Location(only).url], []
    try:
        files = list(Location(folder).files())
    except ObjectMissing:
        log.info("%s: no such folder yet", pattern)
        return [], []
    found = {_checkpoint_of(entry.path) for entry in files}
    return [f"{folder}/{name}" for name in sorted(found - {None}, key=str) if fnmatchcase(str(name), names)], files


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _checkpoint_of(path: str) -> str | None:
    """Return the name under which a file in the watched folder is a checkpoint: its own, or its folder's."""
    name, _, file = path.partition("/")
    return name if file in ("", *CHECKPOINT_FILES) else None
