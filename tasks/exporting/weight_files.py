"""Merged weights written to a folder: merged once, into our own form, from which the other forms are written."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tasks.datasets.preprocessing import Preprocessing
from tasks.exporting.clip_configuration import ClipConfiguration
from tasks.exporting.hugging_face_format import FORMAT as HUGGING_FACE
from tasks.exporting.open_clip_format import FORMAT as OPEN_CLIP
from tasks.exporting.subject import Format, Subject
from tasks.exporting.weight_sets import CHECKPOINT, MergedWeights, WeightSet
from tasks.exporting.written_file import Target
from tasks.models.architecture import as_text
from tasks.models.files.safetensors_file import SafetensorsFile
from tasks.models.lazy_state import LazyState
from tasks.opening.convert_checkpoint import FORMAT as OUR_VERSION

OURS = "dawin"
"""The name of our own form."""
OTHERS: dict[str, Format] = {"open-clip": OPEN_CLIP, "hugging-face": HUGGING_FACE}
"""The other forms of weights by name."""


class Described(NamedTuple):
    """Everything about exported weights but their numbers."""

    clip: ClipConfiguration
    preprocessing: Preprocessing
    target: Target
    """The exported folder."""
    source: str
    """In words, the experiment and the method."""


def write_weights(weights: WeightSet, forms: Sequence[str], merged: MergedWeights, description: Described) -> None:
    """Write weights to their folder.

    Args:
        weights: what is written.
        forms: names of `OTHERS`; others are ignored. Our own form is always written, since the others are written from
            it; `drop_checkpoint` removes it.
        merged: opens and merges the models.
        description: of the weights, and the exported folder.

    Raises:
        CheckpointError: a checkpoint changed since it was planned.
        StorageError: a made model cannot be read.
        UncoveredLayer: the tower cannot be exported to ONNX.
        OSError: a file cannot be written.
    """
    own, shapes = description.target.below(weights.folder), merged.outline(weights)
    own.tensors(CHECKPOINT, shapes, merged.tensors(weights), _header(description))
    with opened_weights(description.target, weights) as state:
        for name in forms:
            if name in OTHERS:
                OTHERS[name].write(Subject(state, description.clip, description.preprocessing), own)


@contextmanager
def opened_weights(target: Target, weights: WeightSet) -> Iterator[LazyState]:
    """Yield weights that were written, by name; each tensor is read from the file when it is asked for."""
    path = target.root / weights.checkpoint
    with path.open("rb") as file:
        opened = SafetensorsFile(file)
        yield LazyState(opened, {name: name for name in opened}, str(path))


def drop_checkpoint(target: Target, weights: WeightSet) -> None:
    """Remove the file in our own form, which nobody asked for."""
    (target.root / weights.checkpoint).unlink()
    target.below(weights.folder).forget(CHECKPOINT)


def _header(description: Described) -> dict[str, str]:
    pixels = description.preprocessing
    preprocess = {
        "mean": list(pixels.mean),
        "std": list(pixels.std),
        "interpolation": pixels.interpolation,
        "resize_mode": pixels.resize_mode,
        "fill": pixels.fill,
    }
    return {
        "dawin.format": OUR_VERSION,
        "family": "ours",
        "source": description.source,
        "architecture": as_text(description.clip.vision),
        "preprocess": json.dumps(preprocess),
    }
