"""The files of an exported folder, written one after the other."""

from contextlib import ExitStack

from flows.exporting.exported_parts import ExportedParts
from flows.exporting.request import ONNX
from storage.store import Store
from tasks.exporting.router_files import write_router
from tasks.exporting.weight_files import OTHERS, OURS, Described, drop_checkpoint, write_weights
from tasks.exporting.weight_sets import MergedWeights
from tasks.progress import Work, work


def write_models(parts: ExportedParts, forms: tuple[str, ...], description: Described, store: Store) -> list[str]:
    """Write the weights of an export, the router and the graphs; return notes for the user.

    Args:
        parts: of the export.
        forms: in which weights are written.
        description: of the weights, and the folder.
        store: holds made models, and heads made of class names.

    Raises:
        InputError: a checkpoint changed since it was planned, or the tower cannot be exported to ONNX.
        StorageError: a made model cannot be read.
        OSError: a file cannot be written.
    """
    sets = [*((one, forms) for one in parts.weights), *((one, (OURS,)) for one in parts.compared)]
    with ExitStack() as files:
        merged = MergedWeights(store, files, with_head=parts.with_head)
        one = sum(tensor.nbytes for tensor in merged.outline(sets[0][0]).values())
        text = sum(tensor.nbytes for tensor in description.clip.text.values())
        total = sum(one + (one + text) * sum(form in OTHERS for form in own) for _, own in sets)
        with work("export", max(1, total >> 20), unit="MiB") as progress:
            description.target.on_bytes = _Mebibytes(progress)
            for weights, own in sets:
                write_weights(weights, own, merged, description)
        files.close()  # refuses checkpoints that have changed while they were read
    if ONNX in forms:
        _write_graphs(parts, description)
    if parts.rules is None:
        if OURS not in forms:
            drop_checkpoint(description.target, parts.weights[0])
        return []
    runs = write_router(parts.rules, parts.classes, parts.groups, description)
    return [] if runs else ["router.py cannot run this tower: Router().route(logits) routes by given logits"]


class _Mebibytes:
    """Counts bytes, and advances a piece of work by whole MiB."""

    def __init__(self, progress: Work) -> None:
        self._progress, self._bytes = progress, 0

    def __call__(self, count: int) -> None:
        before, self._bytes = self._bytes, self._bytes + count
        self._progress.advance((self._bytes >> 20) - (before >> 20))


def _write_graphs(parts: ExportedParts, description: Described) -> None:
    from tasks.exporting.graph_files import write_of_samples, write_plain  # noqa: PLC0415  imports onnx's writers

    groups, rules = parts.groups, parts.rules
    with work("export graphs", len(parts.weights), unit="models") as progress:
        if rules is not None and parts.kind == "samples":
            temperatures, offset, scale = rules["temperatures"], parts.offset, parts.scale
            write_of_samples(parts.weights, description, groups, temperatures=temperatures, offset=offset, scale=scale)
            progress.advance(len(parts.weights))
            return
        for weights in parts.weights:
            write_plain(weights, description, groups)
            progress.advance(1)
