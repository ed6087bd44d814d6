"""Label spaces: the maps from a head's classes to those of a data set, and from its folders to its classes.

ImageNet-R and ImageNet-A use 200 of ImageNet's 1,000 classes, and ObjectNet uses groups of them. Logits are projected
to the subset, or to the maximum of each group, before they become probabilities, so entropies and predictions are
those of the data set's classes. Synsets come from timm's lists, and ObjectNet's mapping from its own files.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from storage.text import shown
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError
from tasks.numerics.checks import Floats

OBJECTNET_FILES = (
    "folder_to_objectnet_label.json",
    "objectnet_to_imagenet_1k.json",
    "pytorch_to_imagenet_2012_id.json",
    "imagenet_to_label_2012_v2",
)
"""ObjectNet's own mapping files, in the folder `mappings` beside its images."""


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a data set in terms of those of a head."""

    name: str
    head_classes: int
    groups: tuple[tuple[int, ...], ...]
    """The head's classes that stand for each class of the data set."""
    folders: Mapping[str, int]
    """The class of each folder, by the folder's name."""

    @property
    def is_whole(self) -> bool:
        """Whether the data set has the head's classes, in the same order."""
        return self.groups == tuple((i,) for i in range(self.head_classes))

    def class_of(self, folder: str, where: str) -> int | None:
        """Return the class of a folder; None if it is not scored, as 200 of ObjectNet's 313 folders are not.

        Args:
            folder: the folder's name.
            where: address of the data set, for messages.

        Raises:
            DatasetError: the label space has no such folder.
        """
        if folder in self.folders:
            return self.folders[folder]
        if self.name == "objectnet":
            return None
        few = ", ".join(list(self.folders)[:3])
        raise DatasetError(f"{where}: folder '{shown(folder)}' is no class of {self.name}; wanted names like {few}")

    def numbers(self, samples: Samples, where: str) -> list[int | None]:
        """Return the classes of a data set that numbers them: those of the label space, in order.

        Args:
            samples: the samples of the data set.
            where: address of the data set, for messages.

        Raises:
            DatasetError: the data set has more classes, or names another number of them, or the label space is
                ObjectNet's, which identifies classes by folders only.
        """
        classes, wanted = len(samples.classes), len(self.groups)
        if self.name == "objectnet" or classes > wanted:
            accepted = "folders" if self.name == "objectnet" else f"numbers below {wanted}"
            raise DatasetError(f"{where}: classes by number up to {classes - 1}, {self.name} wants {accepted}")
        if samples.named and classes != wanted:
            raise DatasetError(f"{where}: {classes} names of classes, none of {self.name}'s, which has {wanted}")
        return list(range(classes))


def project(logits: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    """Return the logits of a data set's classes: the maximum over each group of the head's classes.

    Args:
        logits: (n, head classes) of a head.
        groups: the head's classes that stand for each class of the data set.

    Returns:
        (n, classes).

    Example:
        >>> project(np.array([[1.0, 2.0, 3.0, 4.0]]), [[0, 2], [3]]).tolist()
        [[3.0, 4.0]]
    """
    if all(len(group) == 1 for group in groups):
        return logits[:, [group[0] for group in groups]]
    return np.column_stack([logits[:, list(group)].max(axis=1) for group in groups])


def label_space(name: str, read: Callable[[str], bytes]) -> LabelSpace:
    """Return a label space by name.

    Args:
        name: `imagenet-1k`, `imagenet-r`, `imagenet-a` or `objectnet`.
        read: returns the content of a mapping file that comes with the data set, given its name.

    Raises:
        DatasetError: a mapping file is damaged.
    """
    if name == "objectnet":
        return _objectnet(read)
    synsets = _synsets("imagenet")
    own = synsets if name == "imagenet-1k" else _synsets(name.replace("-", "_"))
    number = {synset: i for i, synset in enumerate(synsets)}
    folders = {synset: i for i, synset in enumerate(own)}
    if name == "imagenet-1k":  # the folders of ImageNetV2 are numbers of classes
        folders |= {str(i): i for i in range(len(own))}
    return LabelSpace(name, len(synsets), tuple((number[synset],) for synset in own), folders)


@lru_cache(maxsize=8)
def _synsets(name: str) -> tuple[str, ...]:
    return tuple((files("timm") / "data" / "_info" / f"{name}_synsets.txt").read_text().split())


def _objectnet(read: Callable[[str], bytes]) -> LabelSpace:
    """Return ObjectNet's label space, joined from its files: folder → label → names of ImageNet classes → numbers."""
    contents = [read(name) for name in OBJECTNET_FILES]
    try:
        labels, to_imagenet, numbers = map(json.loads, contents[:3])
        lines = contents[3].decode().splitlines()
        by_identifier = {identifier: int(number) for number, identifier in numbers.items()}
        number_of = {line.strip(): by_identifier[i] for i, line in enumerate(lines) if i in by_identifier}
        folder_of = {label: folder for folder, label in labels.items()}
        scored = {folder_of[label]: names.split("; ") for label, names in to_imagenet.items()}
        groups = {folder: tuple(number_of[name.strip()] for name in names) for folder, names in scored.items()}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"objectnet: its mapping files do not fit together ({type(error).__name__}: {shown(str(error))})"
        ) from error
    order = sorted(groups)
    folders = {folder: i for i, folder in enumerate(order)}
    return LabelSpace("objectnet", len(lines), tuple(groups[folder] for folder in order), folders)
