"""Export the model of a method, as an experiment has fitted it, to a folder for others."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from flows.errors import ExperimentError
from flows.exporting.exportable import refuse_not_made, refuse_unexportable
from flows.exporting.exported_parts import ExportedParts, exported_parts
from flows.exporting.record import RECORD, record_of
from flows.exporting.request import ONNX, ExportRequest
from flows.planning.fitted_method import FittedMethod, fitted_method
from storage.store import Store
from tasks.exporting.clip_configuration import ClipConfiguration, clip_configuration
from tasks.exporting.hugging_face_format import holds_text
from tasks.exporting.router_tower import router_tower
from tasks.exporting.weight_files import OTHERS, OURS, write_weights
from tasks.exporting.weight_sets import MergedWeights
from tasks.exporting.whole_folder import refuse_taken, whole_folder
from tasks.exporting.written_file import Target, WrittenFile
from tasks.progress import work

log = logging.getLogger("dawin.exporting")


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A folder that was written."""

    folder: Path
    record: dict[str, Any]
    """The content of `dawin.json`."""
    files: tuple[WrittenFile, ...]
    notes: tuple[str, ...]
    """What the user should know: forms that were left out, choices that were made."""


def export(request: ExportRequest, store: Store) -> Exported:
    """Write the model of a method to a folder, which appears when it is complete.

    Args:
        request: the user's.
        store: holds everything that runs of the experiment have computed.

    Raises:
        ExperimentError: the method has no model, no run has computed it, or a form cannot hold it.
        InputError: the folder is taken, or an input of the experiment is missing, damaged or has changed.
        StorageError: the store cannot be read.
    """
    refuse_taken(request.folder)
    fitted = fitted_method(request.experiment, store, request.method, request.dataset)
    refuse_unexportable(fitted)
    refuse_not_made(request, fitted, store)
    parts = exported_parts(request, fitted, store)
    clip = clip_configuration(fitted.outputs[0].model)
    formats, notes = _formats(request, fitted, clip)
    try:
        with whole_folder(request.folder) as folder:
            target = Target(folder)
            _write_weights(formats, fitted, parts, clip, target, MergedWeights, store)
            ...
    except OSError as error:
        raise ExperimentError(f"-o {request.folder}: cannot be written ({error.strerror or error})") from error
