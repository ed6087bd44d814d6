"""The data sets of experiments: listed, and held against the catalogue."""

from dataclasses import replace
from typing import NamedTuple

from flows.experiment.settings import DatasetSettings
from flows.planning.checkpoints import told
from storage.errors import ObjectMissing
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset
from tasks.references.base import DatasetReference

OBJECTNET_BORDER = 2  # pixels of red around each picture, by which its authors see whether it was trained on


class Found(NamedTuple):
    """A data set that is there."""

    reference: DatasetReference
    classes: tuple[str, ...]
    """Their names, where it has any."""


class Listings:
    """Data sets, each listed once; for as long as they are taken not to change."""

    def __init__(self) -> None:
        self._found: dict[tuple[DatasetSettings, Preprocessing], Found] = {}

    def find(self, settings: DatasetSettings, preprocessing: Preprocessing) -> Found:
        """Return a data set as it is prepared for the models; images are listed, not read.

        Raises:
            DatasetError: it is missing, empty, or not what it should be.
        """
        asked = (settings, preprocessing)
        if asked not in self._found:
            self._found[asked] = _listed(settings, preprocessing)
        return self._found[asked]


def _listed(settings: DatasetSettings, preprocessing: Preprocessing) -> Found:
    """Return a data set's reference, and the names of its classes, if it has any."""
    space = settings.scored_space
    preprocessing = replace(preprocessing, border=OBJECTNET_BORDER if space == "objectnet" else 0)
    try:
        listed = list_dataset(settings.images, settings.limit, preprocessing, space)
    except ObjectMissing as error:
        raise DatasetError(
            f"data set {settings.name}: images {settings.images}: no such folder{told(settings.told_source)}"
        ) from error
    own = len(listed.samples.classes) or None if listed.samples.named else None
    record = settings.record
    reference = DatasetReference(
        name=settings.name,
        url=settings.images,
        group=settings.scored_group,
        digest=listed.digest,
        samples=len(listed.samples),
        classes=len(listed.samples.classes) or None,
        limit=settings.limit,
        label_space=space,
        groups=listed.space.groups if listed.space and not listed.space.is_whole else None,
        head_classes=listed.space.head_classes if listed.space else own,
        preprocessing=preprocessing,
        expected=record.expected(settings.limit) if record else (),
    )
    return Found(reference, listed.samples.classes if listed.samples.named else ())
