"""`dawin.json`: the record of an exported folder, which says what was merged and how to make the same folder again."""

import sys
from importlib.metadata import version
from typing import Any

from flows.exporting.card_markdown import public_command
from flows.exporting.card_results import measured
from flows.exporting.exported_parts import ExportedParts
from flows.exporting.request import ExportRequest
from flows.planning.fitted_method import FittedMethod
from storage.published_addresses import published
from storage.store import Store
from tasks.exporting.router_files import preprocessing_document
from tasks.exporting.written_file import WrittenFile
from tasks.models.architecture import described
from tasks.references.models import ModelReference

RECORD = "dawin.json"
VERSION = 1
"""Of the record's form."""


def record_of(
    request: ExportRequest, fitted: FittedMethod, parts: ExportedParts, written: list[WrittenFile], store: Store
) -> dict[str, Any]:
    """Return the content of `dawin.json`.

    Args:
        request: the user's.
        fitted: the method.
        parts: what was exported of it.
        written: the files, but for this one and the model card.
        store: holds the results of runs.

    Raises:
        StorageError: results of the method are damaged.
    """
    dataset, predictions = fitted.dataset, fitted.predictions.id
    source = {"experiment": request.experiment.name, "method": request.method, "kind": parts.kind}
    found = measured({**source, "run_id": None, "predictions_id": predictions}, store)
    bound = parts.dataset is not None  # else the weights are those of all data sets
    return {
        "format": VERSION,
        **source,
        "run_id": found.run_id if found else None,
        "dataset": parts.dataset,
        "dataset_digest": dataset.digest if bound else None,
        "predictions_id": predictions if bound else None,
        "models": [_model(outputs.model, store) for outputs in fitted.outputs],
        "made": _made(fitted),
        "merged": [outputs.model.name for outputs in parts.merged],
        "coefficients": [list(row) for row in parts.coefficients],
        "scale": parts.scale,
        "architecture": described(fitted.outputs[0].model.architecture or ""),
        "preprocess": preprocessing_document(fitted.dataset.preprocessing),
        "classes": list(parts.classes),
        "groups": [list(group) for group in parts.groups] if parts.groups else None,
        "precision": request.experiment.precision,
        "command": public_command(request.command),
        "software": _software(),
        "files": {file.name: file.sha256 for file in written},
        "bytes": sum(file.bytes for file in written),
    }


def _model(model: ModelReference, store: Store) -> dict[str, Any]:
    address = published(model.url, store)  # a local file keeps its name and that of its folder
    return {"name": model.name, "url": address, "digest": model.digest, "temperature": model.temperature}


def _made(fitted: FittedMethod) -> dict[str, Any] | None:
    if not fitted.made_models:
        return None
    (made,) = fitted.made_models
    return {"method": made.method, "options": dict(made.options), "models": [model.name for model in made.models]}


def _software() -> dict[str, str]:
    packages = {"dawin": "dawin-pipeline", "torch": "torch", "open_clip": "open_clip_torch"}
    return {
        **{name: version(package) for name, package in packages.items()},
        "python": ".".join(map(str, sys.version_info[:3])),
    }
