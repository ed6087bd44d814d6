"""Summaries of checkpoints: the facts that planning needs, found by one reading and small enough for the store."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from tasks.models.checkpoint import HEAD
from tasks.models.classifier import empty_tower, features_of, skeleton
from tasks.models.identification import identify
from tasks.models.records import recorded_pixels, tower_settings


@dataclass(frozen=True, kw_only=True)
class CheckpointSummary:
    """The facts of a checkpoint that was read whole and can be used."""

    layout: Mapping[str, str]
    """Tensor name to shape and type, in words."""
    classes: int | None
    """The number of classes of its head; None without a head."""
    features: int
    """The number of features that its tower computes for an image."""
    image_size: int
    """The side of the square that its tower takes, in pixels."""
    bytes: int
    """The size of its tensors in float32."""
    architecture: str
    """The architecture of its tower: the one that was given, or a configuration identified by the tensors."""
    tower: str
    """All settings of that tower, the same however the architecture was named."""
    assumed: str | None = None
    """The settings that neither a file nor the tensors determine, in words; None: nothing had to be assumed."""
    pixels: tuple[Mapping[str, Any], ...] = ()
    """The preprocessings that open_clip records for the tags of a named architecture."""
    uncovered: str | None = None
    """The reason why its tower cannot be merged per sample; None: it can."""
    described: Mapping[str, Any] = field(default_factory=dict)
    """The description in its own header, if it is in our own form: `architecture`, `pixels`."""
    text_features: int | None = None
    """The number of features that its text tower computes for a prompt; None without a text tower."""
    completed: bool = False
    """Whether it has no last projection of its own and takes another checkpoint's."""

    def to_json(self) -> dict[str, Any]:
        """Return the summary as a mapping of plain values."""
        return asdict(self)


def summarize(state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None) -> CheckpointSummary:
    """Return the summary of a state.

    Args:
        state: tensors by open_clip's names.
        where: the checkpoint's address, for messages.
        architecture: an open_clip model's name, or a configuration as text; None: the tensors' shapes identify it.

    Raises:
        CheckpointError: the tensors do not make up the architecture's tower (and a head), or the architecture cannot be
            identified.
    """
    chosen, assumed = (architecture, None) if architecture else identify(state, where)
    tower = empty_tower(state, where, chosen)
    if HEAD[0] in state:
        skeleton(state, where, chosen)
    size: Any = tower.image_size
    return CheckpointSummary(
        layout={name: f"{list(t.shape)} {str(t.dtype).removeprefix('torch.')}" for name, t in sorted(state.items())},
        classes=len(state[HEAD[0]]) if HEAD[0] in state else None,
        features=features_of(tower),
        image_size=int(size[0] if isinstance(size, tuple) else size),
        bytes=sum(t.numel() * t.element_size() for t in state.values()),
        architecture=chosen,
        tower=tower_settings(chosen),
        assumed=assumed,
        pixels=tuple(recorded_pixels(chosen)),
    )
