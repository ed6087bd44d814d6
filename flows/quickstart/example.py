"""An example on disk: a folder of images, checkpoints and an experiment file that is written last."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from PIL import Image

from flows.errors import ExperimentError
from flows.quickstart.images import Digits
from flows.quickstart.training import SHAPE
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD, OPEN_CLIP

_MARK = ".dawin-example"


class Example(NamedTuple):
    """An example that can be built.

    Attributes:
        folder: where it is built, relative to the working directory.
        models: the models that are trained, in words.
        experiment: the content of its experiment file.
        fill: writes images and checkpoints into a folder.
    """

    folder: Path
    models: str
    experiment: Mapping[str, Any]
    fill: Callable[[Path], None]

    @property
    def file(self) -> Path:
        """The experiment file."""
        return self.folder / f"{self.experiment['name']}.yaml"

    @property
    def is_built(self) -> bool:
        """Whether the example is complete."""
        return self.file.is_file()

    def build(self) -> None:
        """Render the images, train the models and write the experiment file, from the start.

        Raises:
            ExperimentError: the folder holds something else than an unfinished example.
        """
        _begin(self.folder)
        self.fill(self.folder)
        _describe(self.folder / "checkpoints")
        self.file.write_text(yaml.safe_dump(dict(self.experiment), sort_keys=False))


def write_images(folder: Path, test: Digits) -> None:
    """Write an image folder with one directory for each class."""
    for i, (image, label) in enumerate(zip(test.images, test.labels, strict=True)):
        path = folder / str(label) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def _begin(folder: Path) -> None:
    """Make an empty folder for an example; replace one that an interrupted build has left."""
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise ExperimentError(
            f"{folder}: exists and was not made by dawin quickstart; move it away, or run in another folder"
        )
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    mark.write_text("an example of dawin quickstart; its experiment file is written last\n")


def _describe(checkpoints: Path) -> None:
    """Write open_clip's configuration beside the checkpoints: tensors do not show heads, activation, preprocessing."""
    content = {"model_cfg": SHAPE.configuration, "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD}}
    (checkpoints / OPEN_CLIP).write_text(json.dumps(content, indent=1))
