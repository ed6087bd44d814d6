"""From open_clip's tensors to Hugging Face's: the inverse of `tasks.models.families.hugging_face`."""

import re
from collections.abc import Iterable, Iterator

import torch

from tasks.models.families.hugging_face import BLOCK, PACKED, PROJECTIONS, TEXT, VISION

_OUTSIDE = {
    **{f"visual.{ours}": f"vision_model.{theirs}" for theirs, ours in VISION.items()},
    **{ours: f"text_model.{theirs}" for theirs, ours in TEXT.items()},
    "logit_scale": "logit_scale",
}
_TRANSPOSED = {ours: theirs for theirs, ours in PROJECTIONS.items()}
_LAYER = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")
_WITHIN = {**{ours: (theirs,) for theirs, ours in BLOCK.items()}, "attn.in_proj": PACKED}
"""Within a layer, the parts that a tensor is cut into along its first axis."""


def hugging_face_tensors(tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of a CLIP by Hugging Face's names, in their shapes; tensors without numbers stay so.

    Args:
        tensors: by open_clip's names, of a vision transformer and perhaps a text tower.

    Raises:
        KeyError: Hugging Face's CLIP has no such tensor.

    Example:
        >>> packed = torch.empty(6, 2, device="meta")
        >>> names = hugging_face_tensors([("visual.transformer.resblocks.0.attn.in_proj_weight", packed)])
        >>> [(name.rpartition("self_attn.")[2], tuple(t.shape)) for name, t in names]
        [('q_proj.weight', (2, 2)), ('k_proj.weight', (2, 2)), ('v_proj.weight', (2, 2))]
    """
    for name, tensor in tensors:
        if name in _TRANSPOSED:
            yield _TRANSPOSED[name], tensor.t()
        elif layer := _LAYER.fullmatch(name):
            tower, number, part, kind = layer.groups()
            begin = f"{'vision_model' if tower else 'text_model'}.encoder.layers.{number}"
            parts = _WITHIN[part]
            for theirs, own in zip(parts, tensor.chunk(len(parts)), strict=True):
                yield f"{begin}.{theirs}.{kind}", own
        else:
            yield _OUTSIDE[name], tensor.reshape(()) if name == "logit_scale" else tensor
