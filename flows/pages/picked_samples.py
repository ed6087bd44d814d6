"""Samples that the merge wins and loses against an individual model, with the predictions of each."""

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flows.pages.run_data import RunData
from flows.pages.sample_facts import Predicted, class_names, compared_with, predicted
from storage.errors import StorageError

log = logging.getLogger("dawin.report")

Outcome = Literal["won", "lost"]


class Said(NamedTuple):
    """One method's prediction of a sample."""

    method: str
    label: str
    confidence: float
    is_right: bool


class Picked(NamedTuple):
    """A sample."""

    dataset: str
    sample: int
    """Its number in the data set."""
    label: str
    outcome: Outcome
    said: tuple[Said, ...]


def picked_samples(run: RunData, merge: str, most: int) -> list[Picked]:
    """Return samples that the merge wins and samples that it loses, spread over the data sets with labels.

    A sample is won if the merge is right and the fine-tuned model is not, and lost if one of the individual models is
    right and the merge is not. The surest ones come first: those of which right and wrong predictions are most
    confident.

    Args:
        run: the run.
        merge: the method of DaWin that the report looks at.
        most: number of samples at most.
    """
    if not run.labelled:
        return []
    share = max(most // (2 * len(run.labelled)), 1)
    found = list[Picked]()
    for dataset in run.labelled[: most // 2]:
        try:
            found += _of_dataset(run, merge, dataset, share)
        except StorageError as error:
            log.warning("report: data set %s: %s", dataset, error)
    return found[:most]


def _of_dataset(run: RunData, merge: str, dataset: str, share: int) -> list[Picked]:
    methods = [*compared_with(run, dataset)[::-1], merge]
    read = {method: both for method in methods if (both := predicted(run, method, dataset))}
    if merge not in read or len(read) < 2:
        return []
    labels = read[merge][1]
    said = {method: one for method, (one, _) in read.items()}
    names = class_names(run, dataset, labels)
    others = [said[method] for method in methods[:-1] if method in said]
    own, tuned = said[merge], others[-1]
    won = own.is_right & ~tuned.is_right
    lost = ~own.is_right & np.any([one.is_right for one in others], axis=0)
    sure_others = np.max([np.where(one.is_right, one.confidence, 0.0) for one in others], axis=0)
    chosen: list[tuple[Outcome, NDArray[np.intp]]] = [
        ("won", _surest(won, own.confidence + tuned.confidence, share)),
        ("lost", _surest(lost, own.confidence + sure_others, share)),
    ]
    return [
        _picked(dataset, int(index), outcome, said, labels, names) for outcome, indices in chosen for index in indices
    ]


def _surest(wanted: NDArray[np.bool_], score: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the indices of the wanted samples of highest score; equal ones in the order of the data set."""
    places = np.flatnonzero(wanted)
    return places[np.argsort(-score[places], kind="stable")[:count]]


def _picked(  # noqa: PLR0917  one row of everything that is known of a data set
    dataset: str,
    index: int,
    outcome: Outcome,
    said: Mapping[str, Predicted],
    labels: NDArray[np.int32],
    names: Mapping[int, str],
) -> Picked:
    def name(number: int) -> str:
        return names.get(number, f"class {number}")

    spoken = tuple(
        Said(method, name(int(one.prediction[index])), float(one.confidence[index]), bool(one.is_right[index]))
        for method, one in said.items()
    )
    return Picked(dataset, index, name(int(labels[index])), outcome, spoken)


def by_dataset(picked: Sequence[Picked]) -> dict[str, list[Picked]]:
    """Return samples by the name of their data set."""
    found: dict[str, list[Picked]] = {}
    for one in picked:
        found.setdefault(one.dataset, []).append(one)
    return found
