"""The inputs of a first experiment file: those below a folder, and those that the command line names."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from flows.errors import ExperimentError
from flows.planning.checkpoint_records import CHECKPOINT_FILES
from flows.planning.confined_check import Check
from flows.starting_file.checkpoints_found import FoundCheckpoints, found_checkpoints
from flows.starting_file.datasets_found import FoundDataset, dataset_places, listed_datasets
from flows.starting_file.slugs import slug
from flows.starting_file.tree import CHECKPOINT_SUFFIXES, checkpoint_paths, files_below
from tasks.datasets.files.image_files import IMAGE_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class Request:
    """The wish for a first experiment file."""

    folder: Path
    """Holds checkpoints and images."""
    checkpoints: tuple[str, ...] = ()
    """Further checkpoints and heads: files, folders or addresses."""
    images: tuple[str, ...] = ()
    """Further data sets: folders, patterns or addresses."""
    output: Path | None = None
    """The file to write; None: `<name of the folder>.yaml` in the folder."""
    multi_task: bool = False
    """Whether every fine-tuned checkpoint belongs to a task of its own."""

    @property
    def name(self) -> str:
        """Name of the experiment: the file's, else the folder's."""
        return slug(self.output.stem if self.output else self.folder.resolve().name)

    @property
    def file(self) -> Path:
        """The file to write."""
        return self.output or self.folder / f"{self.name}.yaml"


class Inputs:
    """The addresses of inputs, as the experiment file writes them: relative to the file where it lies above them."""

    def __init__(self, folder: Path, file: Path) -> None:
        self._folder, self._beside = folder.resolve(), file.absolute().parent.resolve()

    def written(self, place: str) -> str:
        """Return the address of a place: an address, an absolute path, or a path below the folder."""
        if "://" in place:
            return place
        full = os.path.normpath(self._folder / place)
        relative = os.path.relpath(full, self._beside)
        return full if relative.startswith("..") else PurePosixPath(relative).as_posix()

    def opened(self, place: str) -> str:
        """Return the address of a place as any working directory opens it."""
        return place if "://" in place else os.path.normpath(self._folder / place)


def checkpoints_of(
    request: Request,
    tree: Mapping[str, Sequence[str]],
    inputs: Inputs,
    check: Check,
    on_file: Callable[[str], None],
) -> FoundCheckpoints:
    """Return the checkpoints; fewer than can be merged are refused."""
    given = [path for place in request.checkpoints for path in _given(place, checkpoint_paths)]
    found = found_checkpoints(list(dict.fromkeys([*checkpoint_paths(tree), *given])), inputs.opened, check, on_file)
    wanted = 3 if request.multi_task else 2
    if len(found.models) < wanted:
        raise ExperimentError(_too_few(request, found, wanted))
    return replace(
        found,
        models=tuple(replace(model, address=inputs.written(model.address)) for model in found.models),
        heads=tuple(replace(head, address=inputs.written(head.address)) for head in found.heads),
    )


def _too_few(request: Request, found: FoundCheckpoints, wanted: int) -> str:
    """Return the message that too few checkpoints were found."""
    endings = ", ".join(f"*{suffix}" for suffix in CHECKPOINT_SUFFIXES)
    unread = f"; not used: {'; '.join(found.left_out[:5])}" if found.left_out else ""
    if not found.models:
        looked = f"looked for files {endings} and folders with {' or '.join(CHECKPOINT_FILES)}"
        return f"{request.folder}: no checkpoint found; {looked}; --checkpoint names those elsewhere{unread}"
    names = ", ".join(model.name for model in found.models)
    need = "the base and at least two tasks" if wanted == 3 else "the base and at least one fine-tuned from it"
    count = f"only {len(found.models)} checkpoint{'s' if len(found.models) > 1 else ''}"
    return f"{request.folder}: {count} ({names}), wanted {need}; --checkpoint names others elsewhere{unread}"


def datasets_of(
    request: Request, tree: Mapping[str, Sequence[str]], inputs: Inputs, found: FoundCheckpoints
) -> tuple[list[FoundDataset], list[str]]:
    """Return the data sets, and places that are left out; no data set at all is refused."""
    known = {model.classes for model in found.models} | {head.classes for head in found.heads}
    classes = {count for count in known if count}
    taken = {path for path in checkpoint_paths(tree) if path in tree}

    def places(below: Mapping[str, Sequence[str]]) -> list[str]:
        return dataset_places(below, classes, taken)

    given = [place for one in request.images for place in _given(one, places)]
    chosen = list(dict.fromkeys([*places(tree), *given]))
    datasets, left_out = listed_datasets(chosen, [inputs.opened(place) for place in chosen])
    if not datasets:
        reasons = f": {'; '.join(left_out[:5])}" if left_out else ""
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise ExperimentError(
            f"{request.folder}: no images found{reasons}; looked for folders of images ({kinds}), *.parquet, *.tar and "
            "torchvision's downloads; --images names those elsewhere"
        )
    return [replace(one, address=inputs.written(one.address)) for one in datasets], left_out


def _given(given: str, search: Callable[[Mapping[str, Sequence[str]]], list[str]]) -> list[str]:
    """Return the inputs at a place that the command line names: below a folder of this machine, or the place itself."""
    path = Path(given).absolute()
    if "://" in given or not path.is_dir() or any((path / name).is_file() for name in CHECKPOINT_FILES):
        return [given if "://" in given else str(path)]
    # the folder is named, so that it may be a data set itself
    tree = {f"{path.name}/{folder}".rstrip("/"): names for folder, names in files_below(path).items()}
    return [str(path.parent / place) for place in search(tree)] or [str(path)]
