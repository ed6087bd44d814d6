"""An example on disk: images, checkpoints, and an experiment file that is written last."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

from flows.errors import ExperimentError
from flows.experiment.schema import SCHEMA_LINE, write_schema

_MARK = ".dawin-example"
_EXPERIMENTS = Path(__file__).parent / "experiments"

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
        write_schema(self.folder)
        temperatures: Mapping[str, float] = {}
        if self.calibration:
            file = self.folder / self.calibration.experiment
            file.write_text(experiment_text(file.name, {}))
            temperatures = fit(file, self.calibration.dataset)
        self.file.write_text(experiment_text(self.experiment, temperatures))


def experiment_text(name: str, temperatures: Mapping[str, float]) -> str:
    """Return the text of an experiment file that comes with the quickstart.

    Args:
        name: of the file.
        temperatures: the temperature of each model that the file leaves open, by the model's name.
    """
    rounded = {model: f"{temperature:.4f}" for model, temperature in temperatures.items()}
    return f"{SCHEMA_LINE}\n#\n{Template((_EXPERIMENTS / name).read_text()).substitute(rounded)}"


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
