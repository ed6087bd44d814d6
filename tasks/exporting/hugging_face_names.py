"""From open_clip's tensors to Hugging Face's: the inverse of `tasks.models.families.hugging_face`."""

import re
from collections.abc import Iterable, Iterator

import torch

_OUTSIDE = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",  # their spelling
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
_TRANSPOSED = {"visual.proj": "visual_projection.weight", "text_projection": "text_projection.weight"}
_LAYER = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)")
_WITHIN = {
    "ln_1": ("layer_norm1",),
    "ln_2": ("layer_norm2",),
    "mlp.c_fc": ("mlp.fc1",),
    "mlp.c_proj": ("mlp.fc2",),
    "attn.out_proj": ("self_attn.out_proj",),
    "attn.in_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
}
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
