"""The request of `dawin export`."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line reads the names of forms, and loads no pydantic
    from flows.experiment.settings import Experiment

FORMATS = ("dawin", "open-clip", "hugging-face")
"""The forms that are written unless the request names some."""
ONNX = "onnx"
"""The form that is written on request only: graphs for servers."""


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """A method of an experiment, and the folder that its model goes to."""

    experiment: "Experiment"
    method: str
    """Its name in results."""
    dataset: str | None
    """The data set that it was fitted on, whose head the model gets; None: the first, and no head where each data set
    has its own."""
    formats: tuple[str, ...]
    """Those that the request names; empty: all of `FORMATS` that can hold the tower."""
    folder: Path
    file: str
    """The experiment file, or the name of a built-in experiment."""
    settings: tuple[str, ...] = ()
    """Settings over the file's, as `--set` takes them."""
    store: str | None = None
    """The store's address, if the request names it."""

    @property
    def wanted(self) -> tuple[str, ...]:
        """The forms to write, if they can hold the tower."""
        return self.formats or FORMATS

    @property
    def command(self) -> str:
        """The command line of the request."""
        words = ["dawin", "export", self.file, "--method", self.method]
        words += ["--dataset", self.dataset] if self.dataset else []
        words += [word for one in self.formats for word in ("--format", one)]
        words += [word for one in self.settings for word in ("--set", one)]
        words += ["--store", self.store] if self.store else []
        return shlex.join([*words, "-o", str(self.folder)])
