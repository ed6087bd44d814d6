"""open_clip's form: a state dict and its configuration, which `open_clip.create_model("local-dir:…")` loads.

Without a text tower the file holds the vision tower alone, under the names that it has in a CLIP.
"""

from itertools import chain
from typing import Any

from tasks.datasets.preprocessing import Preprocessing
from tasks.exporting.clip_configuration import ClipConfiguration
from tasks.exporting.subject import Subject, chained, text_outline, text_tensors, vision_outline, vision_tensors
from tasks.exporting.written_file import Target
from tasks.models.descriptions import OPEN_CLIP

WEIGHTS = "open_clip_model.safetensors"
_HEADER = {"format": "pt"}


class OpenClipFormat:
    """Writes `open_clip_model.safetensors` and `open_clip_config.json`; see `tasks.exporting.subject.Format`."""

    def refusal(self, clip: ClipConfiguration, preprocessing: Preprocessing) -> str | None:
        """Return None: open_clip built the tower."""
        return None

    def holds_text(self, clip: ClipConfiguration) -> bool:
        """Return whether the CLIP has a text tower, which open_clip built."""
        return clip.whole is not None

    def write(self, subject: Subject, target: Target) -> None:
        """Write both files."""
        shapes = chained(vision_outline(subject), text_outline(subject))
        target.tensors(WEIGHTS, shapes, chain(vision_tensors(subject), text_tensors(subject)), _HEADER)
        target.json(OPEN_CLIP, configuration(subject))


def configuration(subject: Subject) -> dict[str, Any]:
    """Return the content of `open_clip_config.json`."""
    pixels = subject.preprocessing
    return {
        "model_cfg": subject.clip.whole or subject.clip.vision,
        "preprocess_cfg": {
            "size": pixels.size,
            "mean": list(pixels.mean),
            "std": list(pixels.std),
            "interpolation": pixels.interpolation,
            "resize_mode": pixels.resize_mode,
            "fill_color": pixels.fill,
        },
    }


FORMAT = OpenClipFormat()
