"""The files of an exported folder, written one after the other."""

from contextlib import ExitStack

from flows.exporting.exported_parts import ExportedParts
from flows.exporting.request import ONNX
from flows.planning.fitted_method import FittedMethod
from storage.store import Store
from tasks.exporting.router_files import write_router
from tasks.exporting.weight_files import OURS, Described, drop_checkpoint, write_weights
from tasks.exporting.weight_sets import MergedWeights
from tasks.progress import work


def write_models(
    parts: ExportedParts, forms: tuple[str, ...], description: Described, fitted: FittedMethod, store: Store
) -> list[str]:
    """Write the weights of an export, the router and the graphs; return notes for the user.

    Args:
        parts: of the export.
        forms: in which weights are written.
        description: of the weights, and the folder.
        fitted: the method.
        store: holds made models, and heads made of class names.

    Raises:
        InputError: a checkpoint changed since it was planned, or the tower cannot be exported to ONNX.
        StorageError: a made model cannot be read.
        OSError: a file cannot be written.
    """
    sets = [*((one, forms) for one in parts.weights), *((one, (OURS,)) for one in parts.compared)]
    graphs = len(parts.weights) if ONNX in forms else 0
    with ExitStack() as files, work("export", len(sets) + graphs, unit="models") as progress:
        merged = MergedWeights(store, files, with_head=parts.with_head)
        for weights, own in sets:
            write_weights(weights, own, merged, description)
            progress.advance(1)
        if graphs:
            _write_graphs(parts, description, fitted)
            progress.advance(graphs)
        files.close()  # refuses checkpoints that have changed while they were read
    if parts.rules is None:
        if OURS not in forms:
            drop_checkpoint(description.target, parts.weights[0])
        return []
    runs = write_router(parts.rules, parts.classes, fitted.dataset.groups, description)
    return [] if runs else ["router.py cannot run this tower: Router().route(logits) routes by given logits"]


def _write_graphs(parts: ExportedParts, description: Described, fitted: FittedMethod) -> None:
    from tasks.exporting.graph_files import write_of_samples, write_plain  # noqa: PLC0415  imports onnx's writers

    groups = fitted.dataset.groups
    if parts.kind != "samples":
        for weights in parts.weights:
            write_plain(weights, description, groups if parts.dataset else None)
        return
    assert parts.rules is not None  # samples are routed
    write_of_samples(
        parts.weights,
        description,
        groups,
        temperatures=parts.rules["temperatures"],
        offset=parts.offset,
        scale=parts.scale,
    )
