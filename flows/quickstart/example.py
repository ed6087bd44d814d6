"""An example on disk: images, checkpoints, and an experiment file that is written last."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

from PIL import Image

from flows.errors import ExperimentError
from flows.quickstart.images import Digits
from flows.quickstart.training import SHAPE
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD, OPEN_CLIP

_MARK = ".dawin-example"
_EXPERIMENTS = Path(__file__).parent / "experiments"
_WRITTEN_AT = 946_684_800  # seconds, January 2000: times of change are part of a data set's identity

Fit = Callable[[Path, str], Mapping[str, float]]
"""Returns the temperature of each model of an experiment file, fitted on one of its data sets."""


class Calibration(NamedTuple):
    """How the temperatures of an example's models are fitted.

    Attributes:
        experiment: name of the experiment file that names the models and the data set.
        dataset: name of the labelled data set.
    """

    experiment: str
    dataset: str


class Example(NamedTuple):
    """An example that can be built.

    Attributes:
        folder: the folder that it is built in, relative to the working directory.
        models: the models that are trained, in words.
        experiment: name of its experiment file.
        fill: writes images and checkpoints into a folder.
        calibration: how temperatures are fitted; None: its experiment file says them.
    """

    folder: Path
    models: str
    experiment: str
    fill: Callable[[Path], None]
    calibration: Calibration | None = None

    @property
    def file(self) -> Path:
        """The experiment file."""
        return self.folder / self.experiment

    @property
    def is_built(self) -> bool:
        """Whether the example is complete."""
        return self.file.is_file()

    def build(self, fit: Fit) -> None:
        """Render images, train and calibrate models, and write the experiment file, from the start.

        Args:
            fit: fits temperatures; called once images and checkpoints are complete, if the example is calibrated.

        Raises:
            ExperimentError: the folder holds something else than an unfinished example.
        """
        _begin(self.folder)
        self.fill(self.folder)
        _describe(self.folder / "checkpoints")
        temperatures: Mapping[str, float] = {}
        if self.calibration:
            shutil.copyfile(_EXPERIMENTS / self.calibration.experiment, self.folder / self.calibration.experiment)
            temperatures = fit(self.folder / self.calibration.experiment, self.calibration.dataset)
        self.file.write_text(experiment_text(self.experiment, temperatures))


def experiment_text(name: str, temperatures: Mapping[str, float]) -> str:
    """Return the text of an experiment file that comes with the quickstart.

    Args:
        name: of the file.
        temperatures: the temperature of each model that the file leaves open, by the model's name.
    """
    rounded = {model: f"{temperature:.4f}" for model, temperature in temperatures.items()}
    return Template((_EXPERIMENTS / name).read_text()).substitute(rounded)


def write_images(folder: Path, digits: Digits) -> None:
    """Write an image folder with one directory for each class; files of the same images are the same, times too."""
    for i, (image, label) in enumerate(zip(digits.images, digits.labels, strict=True)):
        path = folder / str(label) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        os.utime(path, (_WRITTEN_AT, _WRITTEN_AT))


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
