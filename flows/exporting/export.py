"""Export the model of a method, as an experiment has fitted it, to a folder for others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import ExperimentError
from flows.exporting.exportable import refuse_not_made, refuse_unexportable
from flows.exporting.exported_folder import write_models
from flows.exporting.exported_parts import ExportedParts, exported_parts
from flows.exporting.model_card import CARD, write_card
from flows.exporting.record import RECORD, record_of
from flows.exporting.request import ONNX, ExportRequest
from flows.planning.fitted_method import fitted_method
from storage.errors import StorageError
from storage.store import Store
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import InputError
from tasks.exporting.clip_configuration import ClipConfiguration, clip_configuration
from tasks.exporting.weight_files import OTHERS, OURS, Described
from tasks.exporting.whole_folder import refuse_taken, whole_folder
from tasks.exporting.written_file import Target


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A folder that was written."""

    folder: Path
    record: dict[str, Any]
    """The content of `dawin.json`."""
    sizes: dict[str, int]
    """The bytes of each file, by its path below the folder."""
    notes: tuple[str, ...]
    """Sentences for the user: forms that were left out, and choices that the request left open."""


def export(request: ExportRequest, store: Store) -> Exported:
    """Write the model of a method to a folder, which appears when it is complete.

    Args:
        request: the user's.
        store: holds everything that runs of the experiment have computed.

    Raises:
        ExperimentError: the method has no model, no run has computed it, a form that the request names cannot hold it,
            or the folder cannot be written.
        InputError: the folder is taken, or an input of the experiment is missing, damaged or has changed.
        StorageError: the store cannot be read.
    """
    refuse_taken(request.folder)
    fitted = fitted_method(request.experiment, store, request.method, request.dataset)
    refuse_unexportable(fitted)
    refuse_not_made(request, fitted, store)
    parts = exported_parts(request, fitted, store)
    clip, pixels = clip_configuration(fitted.outputs[0].model), fitted.dataset.preprocessing
    forms, notes = _forms(request, parts, clip, pixels)
    source = f"{request.experiment.name}: {request.method}{f' on {parts.dataset}' if parts.dataset else ''}"
    try:
        with whole_folder(request.folder) as folder:
            target = Target(folder)
            notes += write_models(parts, forms, Described(clip, pixels, target, source), store)
            record = record_of(request, fitted, parts, target.written, store)
            target.json(RECORD, record)
            write_card(folder, record, store)
            target.add(CARD)
    except (InputError, StorageError):
        raise
    except OSError as error:
        raise ExperimentError(f"-o {request.folder}: cannot be written ({error.strerror or error})") from error
    sizes = {file.name: file.bytes for file in target.written}
    return Exported(folder=request.folder, record=record, sizes=sizes, notes=(*parts.notes, *notes))


def _forms(
    request: ExportRequest, parts: ExportedParts, clip: ClipConfiguration, pixels: Preprocessing
) -> tuple[tuple[str, ...], list[str]]:
    """Return the forms to write, and notes on those that cannot hold the tower, or hold a part of it.

    Raises:
        ExperimentError: the request names a form that cannot hold the tower.
    """
    if ONNX in request.wanted and not parts.with_head:
        raise ExperimentError(f"--format {ONNX}: a graph ends in a head; {'; '.join(parts.notes)}")
    forms, notes, precision = [], list[str](), request.experiment.precision
    if precision != "fp32":
        notes.append(f"the files hold float32; the run computes in {precision}, so that predictions may differ")
    for name in dict.fromkeys(request.wanted):
        reason = OTHERS[name].refusal(clip, pixels) if name in OTHERS else None
        if reason and request.formats:
            raise ExperimentError(f"--format {name}: {reason}; the tower fits {', '.join(_others(clip, pixels))}")
        if reason:
            notes.append(f"{name} was left out: {reason}")
        else:
            forms.append(name)
    if alone := [name for name in forms if name in OTHERS and not OTHERS[name].holds_text(clip)]:
        reason = clip.without_text or "its text tower is not one that this form can hold"
        notes.append(f"{' and '.join(alone)} hold the vision tower alone: {reason}")
    if parts.rules is not None and OURS not in forms:
        forms.append(OURS)  # router.py reads it
    return tuple(forms), notes


def _others(clip: ClipConfiguration, pixels: Preprocessing) -> list[str]:
    return [OURS, *(name for name, form in OTHERS.items() if form.refusal(clip, pixels) is None)]
