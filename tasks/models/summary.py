"""What has to be known of a checkpoint before it is used: found once, by reading it whole, and small enough to keep."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from tasks.models.checkpoint import HEAD
from tasks.models.classifier import empty_tower, features_of, skeleton


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
    uncovered: str | None = None
    """Why its tower cannot be merged per sample; None: it can."""
    text_features: int | None = None
    """That its text tower gives a prompt; None without one."""
    completed: bool = False
    """Whether its last projection is another checkpoint's, it having none."""

    def to_json(self) -> dict[str, Any]:
        """Return a record of plain values."""
        return asdict(self)


def summarize(state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None) -> CheckpointSummary:
    """Return the summary of a state; raises `CheckpointError` when its tensors do not make up a tower (and head)."""
    tower = empty_tower(state, where, architecture)
    if HEAD[0] in state:
        skeleton(state, where, architecture)
    size: Any = tower.image_size
    return CheckpointSummary(
        layout={name: f"{list(t.shape)} {str(t.dtype).removeprefix('torch.')}" for name, t in sorted(state.items())},
        classes=len(state[HEAD[0]]) if HEAD[0] in state else None,
        features=features_of(tower),
        image_size=int(size[0] if isinstance(size, tuple) else size),
        bytes=sum(t.numel() * t.element_size() for t in state.values()),
    )
