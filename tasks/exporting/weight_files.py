"""Merged weights written to a folder: merged once, into our own form, from which the other forms are written."""

import json
from collections.abc import Sequence

from tasks.exporting.clip_configuration import ClipConfiguration
from tasks.exporting.hugging_face_format import FORMAT as HUGGING_FACE
from tasks.exporting.open_clip_format import FORMAT as OPEN_CLIP
from tasks.exporting.subject import Format, Subject
from tasks.exporting.weight_sets import CHECKPOINT, MergedWeights, WeightSet
from tasks.exporting.written_file import Target
from tasks.datasets.preprocessing import Preprocessing
from tasks.models.architecture import as_text
from tasks.models.files.safetensors_file import SafetensorsFile
from tasks.models.lazy_state import LazyState
from tasks.opening.convert_checkpoint import FORMAT as OUR_VERSION

OURS = "dawin"
"""The name of our own form."""
OTHERS: dict[str, Format] = {"open-clip": OPEN_CLIP, "hugging-face": HUGGING_FACE}
"""The other forms by name."""


def write_weights(
    weights: WeightSet,
    formats: Sequence[str],
    merged: MergedWeights,
    clip: ClipConfiguration,
    preprocessing: Preprocessing,
    target: Target,
    source: str,
) -> None:
    """Write weights to their folder in several forms.

    Args:
        weights: what is written.
        formats: `dawin`, or names of `OTHERS`.
        merged: opens and merges the models.
        clip: the tower's configuration, and a text tower.
        preprocessing: how images are prepared for the tower.
        target: the exported folder.
        source: in words, the method and the experiment, for the header of our own form.

    Raises:
        CheckpointError: a checkpoint changed since it was planned.
        StorageError: a made model cannot be read.
        OSError: a file cannot be written.
    """
    own = target.below(weights.folder)
    header = {
        "dawin.format": OUR_VERSION,
        "family": "ours",
        "source": source,
        "architecture": as_text(clip.vision),
        "preprocess": json.dumps(_pixels(preprocessing)),
    }
    shapes = merged.outline(weights)
    own.tensors(CHECKPOINT, shapes, merged.tensors(weights), header)
    path = own.folder / CHECKPOINT
    with path.open("rb") as file:
        state = LazyState(SafetensorsFile(file), {name: name for name in shapes}, str(path))
        for name in formats:
            if name in OTHERS:
                OTHERS[name].write(Subject(state, clip, preprocessing), own)
    if OURS not in formats:
        path.unlink()
        own.forget(CHECKPOINT)


def _pixels(pixels: Preprocessing) -> dict[str, object]:
    return {
        "mean": list(pixels.mean),
        "std": list(pixels.std),
        "interpolation": pixels.interpolation,
        "resize_mode": pixels.resize_mode,
        "fill": pixels.fill,
    }
