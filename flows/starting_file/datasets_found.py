"""The data sets of a folder: recognised by the readers, listed without reading an image, and named."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from flows.experiment.preprocess_settings import PreprocessSettings
from flows.planning.preprocessing import choose_preprocessing
from flows.starting_file.slugs import distinct_names, plain, words
from storage.errors import StorageError
from storage.file_table import FileTable
from storage.files import FileEntry
from tasks.datasets.catalogue import CATALOGUE
from tasks.datasets.files.folder import Folder
from tasks.datasets.files.image_files import is_image
from tasks.datasets.readers.registry import READERS
from tasks.errors import DatasetError
from tasks.opening.list_samples import list_dataset, open_folder

_CONTAINERS = frozenset({"images", "image", "imgs", "data", "datasets", "dataset", "sets", "eval", "evaluation"})
"""Names of folders that hold data sets rather than classes."""
_TRAINING = frozenset({"train", "training"})
_IN_DISTRIBUTION = ("id", "iid", "clean", "val", "validation", "test", "original")
_SPLITS = ("test", "testing", "validation", "valid", "val", "dev")
_ALIASES = {"stanfordcars": "cars", "imagenetval": "imagenet", "imagenet1k": "imagenet", "ilsvrc2012": "imagenet"}


@dataclass(frozen=True)
class FoundDataset:
    """A data set."""

    name: str
    address: str
    layout: str
    """The layout in words, as the reader calls it."""
    samples: int
    classes: int | None
    """None: images without labels."""
    class_names: tuple[str, ...] = field(repr=False)
    """Empty if the data set has no names of classes."""
    catalogue: str | None = None
    remark: str | None = None
    """Why it is not the public data set that its name says, in words."""

    @property
    def described(self) -> str:
        """The layout and the size in words."""
        labels = f"{self.classes:,} classes" if self.classes else "no labels"
        remark = f"; {self.remark}" if self.remark else ""
        return f"{self.layout}, {labels}, {self.samples:,} images{remark}"

    @property
    def is_in_distribution(self) -> bool:
        """Whether its name says that it comes from the distribution of the fine-tuning."""
        return any(word in _IN_DISTRIBUTION for word in words(self.name))


def dataset_places(
    tree: Mapping[str, Sequence[str]], known_classes: Collection[int], taken: Collection[str]
) -> list[str]:
    """Return the folders, or patterns of files, below a root that are data sets, sorted.

    Args:
        tree: the names of the files in each folder, by the folder's relative path.
        known_classes: numbers of classes of the heads that were found; they tell folders of classes from data sets.
        taken: folders that are checkpoints.
    """
    kept = {folder: names for folder, names in tree.items() if folder not in taken}
    marked = _marked(kept)
    covered = {place.rpartition("/")[0] if "*" in place else place for place in marked}
    loose = {folder: names for folder, names in kept.items() if not any(_is_below(folder, place) for place in covered)}
    return sorted({*marked, *_image_folders(loose, known_classes)})


def _is_below(folder: str, place: str) -> bool:
    return not place or folder == place or folder.startswith(f"{place}/")


def _marked(tree: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the folders of formats with files of their own, such as Parquet or torchvision's downloads."""
    found = []
    for folder, names in tree.items():
        here = Folder(folder, None, folder, _named(names))
        below = f"{PurePosixPath(folder).name}/"
        shallow = Folder(folder, None, folder, _named([f"{below}{name}" for name in names]))
        recognised = [reader for reader in READERS[:-1] if reader.recognises(here) or reader.recognises(shallow)]
        if recognised:
            found.append(_with_split(folder, names) if recognised[0].is_exclusive else _top(folder, tree))
    return list(dict.fromkeys(found))


def _named(paths: Sequence[str]) -> FileTable:
    return FileTable.of(FileEntry(path, 0, "") for path in paths)


def _with_split(folder: str, names: Sequence[str]) -> str:
    """Return a folder of shards, or the pattern of its test split if it holds several splits."""
    shards = [name for name in names if name.endswith((".parquet", ".tar"))]
    splits = [split for split in _SPLITS if any(name.startswith((f"{split}-", f"{split}.")) for name in shards)]
    if not splits or all(name.startswith(splits[0]) for name in shards):
        return folder
    suffix = next(name for name in shards if name.startswith(splits[0])).rpartition(".")[2]
    pattern = f"{splits[0]}*.{suffix}"
    return f"{folder}/{pattern}" if folder else pattern


def _top(folder: str, tree: Mapping[str, Sequence[str]]) -> str:
    """Return the highest folder above a marked one that holds nothing else: downloads nest `MNIST/raw`, `dtd/dtd`."""
    chosen = folder
    for parent in map(str, PurePosixPath(folder).parents):
        beside = [f for f in tree if f != parent and _is_below(f, parent) and not _is_below(f, chosen)]
        has_files = any(not name.startswith(".") for name in tree.get(parent, ()))
        if parent == "." or PurePosixPath(parent).name.lower() in _CONTAINERS:
            break
        if any(tree[f] for f in beside if not all(is_image(n) for n in tree[f])) and not _is_download(parent, folder):
            break
        if has_files and not _is_download(parent, folder):
            break
        chosen = parent
    return chosen


def _is_download(parent: str, folder: str) -> bool:
    """Return whether a download nests a folder so: `gtsrb/GTSRB`, `MNIST/raw`, `dtd/dtd/labels`."""
    last = PurePosixPath(folder).name.lower()
    return last in ("raw", "labels", "devkit") or plain(PurePosixPath(parent).name) == plain(last)


def _image_folders(tree: Mapping[str, Sequence[str]], known_classes: Collection[int]) -> list[str]:
    """Return the folders of image data sets: those of class folders, and those with images directly inside."""
    leaves = [folder for folder, names in tree.items() if any(map(is_image, names))]
    by_parent: dict[str, list[str]] = {}
    for leaf in leaves:
        if leaf:
            by_parent.setdefault(os.path.dirname(leaf), []).append(leaf)
    sure, guessed, unlabelled = list[str](), list[str](), list[str]()
    for parent, own in by_parent.items():
        if parent and len(own) in known_classes:
            sure.append(parent)
        elif above := _nested_classes(parent, by_parent, known_classes):
            sure.append(above)
        elif _holds_classes(parent, len(own), known_classes):
            guessed.append(parent)
        else:
            unlabelled += own
    # a data set of classes has all images below it, in folders inside a class too, so that none is counted twice
    of_classes = [*sure, *(one for one in guessed if not any(_is_below(other, one) for other in sure))]
    found = dict.fromkeys([*of_classes, *unlabelled, *([""] if leaves == [""] else [])])
    return [one for one in found if not any(one != other and _is_below(one, other) for other in of_classes)]


def _nested_classes(parent: str, by_parent: Mapping[str, Sequence[str]], known_classes: Collection[int]) -> str | None:
    """Return the folder two levels above images whose folders are the classes of a head; None if that is not so."""
    above = os.path.dirname(parent)
    if not parent or len(by_parent) < 2:
        return None
    siblings = [own for one, own in by_parent.items() if one and os.path.dirname(one) == above]
    is_clear = not any(len(own) in known_classes for own in siblings)
    return above if is_clear and len(siblings) in known_classes and len(siblings) > 1 and above else None


def _holds_classes(folder: str, count: int, known_classes: Collection[int]) -> bool:
    """Return whether the folders with images inside a folder are classes, rather than data sets without labels."""
    is_container = not folder or PurePosixPath(folder).name.lower() in _CONTAINERS
    return count > 1 and not (is_container and (known_classes or not folder))


def listed_datasets(places: Sequence[str], addresses: Sequence[str]) -> tuple[list[FoundDataset], list[str]]:
    """Return the data sets at places, named and listed, and those that are left out, each with its reason.

    Args:
        places: the places' names for readers, such as their paths in the folder.
        addresses: their addresses, in the same order.
    """
    trained = [place for place in places if _TRAINING & set(words(place))]
    left_out = [f"{place}: training images, by its name" for place in trained if len(trained) < len(places)]
    kept = [(p, a) for p, a in zip(places, addresses, strict=True) if p not in trained or not left_out]
    names = distinct_names([_named_part(place) for place, _ in kept])
    found = []
    for name, (place, address) in zip(names, kept, strict=True):
        try:
            found.append(_listed(name, address))
        except (DatasetError, StorageError) as error:
            left_out.append(f"{place}: {error}")
    return found, left_out


def _named_part(place: str) -> str:
    """Return the part of a path that names a data set: without patterns, containers and splits at its end."""
    parts = [part for part in PurePosixPath(place).parts if not any(sign in part for sign in "*?[")]
    while len(parts) > 1 and parts[-1].lower() in _CONTAINERS:
        parts.pop()
    last = parts[-1] if parts else place
    parts[-1:] = [PurePosixPath(last).stem if last.endswith((".parquet", ".tar")) else last]
    return "/".join(part for i, part in enumerate(parts) if part.lower() not in _CONTAINERS or i == len(parts) - 1)


def _listed(name: str, address: str) -> FoundDataset:
    preprocessing = choose_preprocessing(PreprocessSettings(), 224, {}, None, []).preprocessing
    samples = list_dataset(address, None, preprocessing).samples
    folder = open_folder(address)
    layout = next(reader.name for reader in READERS if reader.recognises(folder))
    layout = "image folder" if layout == READERS[-1].name else layout
    classes = len(samples.classes) or None
    catalogue, remark = _catalogued(name, len(samples), classes)
    own = samples.classes if samples.named else ()
    return FoundDataset(name, address, layout, len(samples), classes, own, catalogue, remark)


def _catalogued(name: str, samples: int, classes: int | None) -> tuple[str | None, str | None]:
    """Return the public data set that a name says, if its counts agree; else why they do not."""
    own = _ALIASES.get(plain(name), plain(name))
    entry = next((entry for entry in CATALOGUE if plain(entry) == own), None)
    if entry is None:
        return None, None
    record = CATALOGUE[entry]
    if samples in record.samples and classes in (None, record.classes):
        return entry, None
    expected = " or ".join(f"{count:,}" for count in record.samples)
    return None, f"not all of {entry} ({record.classes:,} classes, {expected} images)"
