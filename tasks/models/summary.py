"""What has to be known of a checkpoint before it is used: found once, by reading it whole, and small enough to keep."""

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
    """A checkpoint that was read whole and found good."""

    layout: Mapping[str, str]
    """Tensor name to shape and dtype, in words."""
    classes: int | None
    """Of its head; None without one."""
    features: int
    """That its tower gives an image."""
    image_size: int
    """Pixels, of the square its tower takes."""
    bytes: int
    """Of its tensors, in float32."""
    architecture: str
    """That its tower is built as: as it was given, or a configuration identified from the tensors."""
    tower: str
    """All settings of that tower, however it was named."""
    assumed: str | None = None
    """What of the architecture neither a file nor the tensors say, in words."""
    pixels: tuple[Mapping[str, Any], ...] = ()
    """The preprocessings that open_clip records for the tags of a named architecture."""
    uncovered: str | None = None
    """Why its tower cannot be merged per sample; None: it can."""
    described: Mapping[str, Any] = field(default_factory=dict)
    """What its own header says, where it is in our own form: `architecture`, `pixels`."""
    text_features: int | None = None
    """That its text tower gives a prompt; None without one."""
    completed: bool = False
    """Whether its last projection is another checkpoint's, it having none."""

    def to_json(self) -> dict[str, Any]:
        """Return a record of plain values."""
        return asdict(self)


def summarize(state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None) -> CheckpointSummary:
    """Return the summary of a state.

    Args:
        state: tensors by open_clip's names.
        where: the checkpoint's address, for messages.
        architecture: as in `architecture`; None: identified by the tensors' shapes.

    Raises:
        CheckpointError: the tensors do not make up the architecture's tower (and a head), or it cannot be identified.
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
