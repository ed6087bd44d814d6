"""The files of an example: image folders, and the description of its checkpoints."""

import json
import os
from pathlib import Path

from PIL import Image

from flows.quickstart.images import Digits
from flows.quickstart.training import SHAPE
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD, OPEN_CLIP

_WRITTEN_AT = 946_684_800  # seconds, January 2000: times of change are part of a data set's identity


def write_images(folder: Path, digits: Digits) -> None:
    """Write an image folder with one directory for each class, and with the same times of change at each build."""
    for i, (image, label) in enumerate(zip(digits.images, digits.labels, strict=True)):
        path = folder / str(label) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        os.utime(path, (_WRITTEN_AT, _WRITTEN_AT))


def describe(checkpoints: Path) -> None:
    """Write open_clip's configuration beside checkpoints: tensors do not show heads, activation and preprocessing."""
    content = {"model_cfg": SHAPE.configuration, "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD}}
    (checkpoints / OPEN_CLIP).write_text(json.dumps(content, indent=1))
