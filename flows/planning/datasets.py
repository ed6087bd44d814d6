"""The data sets of experiments: their samples listed, their numbers compared with the catalogue's."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from flows.experiment.input_settings import DatasetSettings
from storage.cuts import Cuts
from storage.errors import ObjectMissing
from storage.look import Look
from storage.store import Store
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_again, list_dataset
from tasks.opening.write_names import write_names
from tasks.references.datasets import DatasetReference
from tasks.references.names import NamesReference

OBJECTNET_BORDER = 2  # pixels of red around each picture, which its authors added to find models trained on it


class Found(NamedTuple):
    """A data set that was found."""

    reference: DatasetReference
    classes: tuple[str, ...]
    """Names of the classes; empty if they have none."""


class Datasets:
    """Data sets, each listed once: they are assumed not to change while this object lives.

    Args:
        shard: samples per object of the per-sample tables; None: as each store records it.
    """

    def __init__(self, shard: int | None = None) -> None:
        self._shard = shard
        self._cuts: dict[tuple[str, bool], Cuts] = {}
        self._found: dict[tuple[DatasetSettings, Preprocessing], Found] = {}
        self._unnamed: dict[str, Samples] = {}  # listed samples, by digest, until their names are written

    def find(self, settings: DatasetSettings, preprocessing: Preprocessing) -> Found:
        """Return a data set as it is prepared for the models; images are listed, not read.

        Raises:
            DatasetError: it is missing, empty, or in no format that is known.
        """
        asked = (settings, preprocessing)
        if asked not in self._found:
            self._found[asked] = self._listed(settings, preprocessing)
        return self._found[asked]

    def unlabelled(self, url: str, like: DatasetReference, *, name: str, limit: int | None) -> DatasetReference:
        """Return images as a data set without labels that is scored by the classes of another data set.

        Args:
            url: address of the images, in any format; labels that they have are ignored.
            like: the other data set, whose preprocessing, head and classes they share.
            name: of the data set in logs.
            limit: largest number of samples, spread evenly over them; None: all.

        Raises:
            DatasetError: nothing exists at the address, or it holds no images in a format that is known.
        """
        pixels = replace(like.preprocessing, border=0)  # which is of ObjectNet's own pictures
        reference = replace(
            like,
            name=name,
            url=url,
            limit=limit,
            preprocessing=pixels,
            unlabelled=True,
            classes=None,
            label_space=None,
            expected=(),
            shard=0,
        )
        try:
            listed = list_again(reference)
        except ObjectMissing as error:
            raise DatasetError(f"images {url}: no such file or folder") from error
        self._unnamed[listed.digest] = listed.samples
        return replace(reference, digest=listed.digest, samples=len(listed.samples))

    def cut(
        self, found: Sequence[DatasetReference], widths: Sequence[int], store: Store, *, remember: bool
    ) -> list[DatasetReference]:
        """Return data sets as a store cuts them into objects; one listing shows the cuts of all of them.

        Args:
            found: the data sets.
            widths: for each data set, the length of a row of logits; decides if the store holds nothing of it yet.
            store: holds the records of the cuts.
            remember: whether the store records the cuts that are chosen here.
        """
        if self._shard is not None:
            return [replace(dataset, shard=self._shard) for dataset in found]
        cuts = self._cuts.setdefault((store.url, remember), Cuts(store, remember=remember))
        sizes = [cuts.samples_per_object(one.digest, width) for one, width in zip(found, widths, strict=True)]
        return [replace(dataset, shard=size) for dataset, size in zip(found, sizes, strict=True)]

    def unnamed(self, found: Sequence[DatasetReference]) -> list[DatasetReference]:
        """Return the data sets whose samples' names `write_names` has not looked for yet."""
        return [dataset for dataset in found if dataset.digest in self._unnamed]

    def write_names(self, found: Sequence[DatasetReference], store: Store) -> None:
        """Write the names of data sets' samples into a store that does not hold them; each is looked for once."""
        look, names = Look(store), [NamesReference(of=dataset) for dataset in found]
        look.expect(one.prefix for one in names)
        for one in names:
            if (samples := self._unnamed.pop(one.dataset.digest, None)) is not None:
                write_names(store, one, samples, listing=look.listing(one.prefix))

    def _listed(self, settings: DatasetSettings, preprocessing: Preprocessing) -> Found:
        space = settings.scored_space
        preprocessing = replace(preprocessing, border=OBJECTNET_BORDER if space == "objectnet" else 0)
        try:
            listed = list_dataset(settings.images, settings.limit, preprocessing, space)
        except ObjectMissing as error:
            source = f"; to be had: {settings.source_in_words}" if settings.source_in_words else ""
            raise DatasetError(f"data set {settings.name}: images {settings.images}: no such folder{source}") from error
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
        self._unnamed[listed.digest] = listed.samples
        return Found(reference, listed.samples.classes if listed.samples.named else ())
