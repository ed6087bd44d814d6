"""What has to be known of a checkpoint before it is used: found once, by reading it whole, and small enough to keep."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from tasks.models.checkpoint import HEAD
from tasks.models.classifier import skeleton
from tasks.models.tower import infer_shape


@dataclass(frozen=True, kw_only=True)
class CheckpointSummary:
    """A checkpoint that was read whole and found good."""

    layout: Mapping[str, str]
    """Tensor name to shape and dtype, in words."""
    classes: int | None
    """Of its head; None without one."""
    image_size: int
    """Pixels, of the square its tower takes."""
    bytes: int
    """Of its tensors, in float32."""

    def to_json(self) -> dict[str, Any]:
        """Return a record of plain values."""
        return asdict(self)


def summarize(state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None) -> CheckpointSummary:
    """Return the summary of a state; raises `CheckpointError` when its tensors do not make up a classifier's tower."""
    headed = {**state, HEAD[0]: state.get(HEAD[0], _stand_in(state)), HEAD[1]: state.get(HEAD[1], torch.zeros(1))}
    module = skeleton(headed, where, architecture)
    size: Any = module.visual.image_size if architecture else infer_shape(state, where).image_size
    return CheckpointSummary(
        layout={name: f"{list(t.shape)} {str(t.dtype).removeprefix('torch.')}" for name, t in sorted(state.items())},
        classes=len(state[HEAD[0]]) if HEAD[0] in state else None,
        image_size=int(size[0] if isinstance(size, tuple) else size),
        bytes=sum(t.numel() * t.element_size() for t in state.values()),
    )


def _stand_in(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """A head of one class, so that a tower without head can be checked like one with."""
    features = state["visual.proj"].shape[1] if "visual.proj" in state else 1
    return torch.zeros(1, features)
