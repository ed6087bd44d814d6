"""Hugging Face's checkpoints of CLIP: a whole model, its vision model with a projection, or the vision tower alone."""

import re
from collections.abc import Mapping

import torch

from tasks.errors import CheckpointError
from tasks.models.families.family import Family, Tensors
from tasks.models.families.tensor_names import has_prefix, heads_of, unwrapped

_TOWER_ALONE = "embeddings.patch_embedding.weight"  # newer versions of transformers write a tower without its prefix
# the names outside of the layers, Hugging Face's to open_clip's
VISION = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.weight": "ln_pre.weight",  # their spelling
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}
TEXT = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
PROJECTIONS = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$")
# the names within a layer
BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
PACKED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")  # which open_clip packs into one tensor


def _recognises(tensors: Tensors) -> bool:
    return has_prefix(tensors, "vision_model.") or _TOWER_ALONE in unwrapped(tensors)


def _read(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Rename both towers, pack their attention's projections, transpose their last projections."""
    bare = unwrapped(tensors)
    if _TOWER_ALONE in bare:
        bare = {f"vision_model.{name}": tensor for name, tensor in bare.items()}
    found = {ours: _transposed(bare, theirs) for theirs, ours in PROJECTIONS.items() if theirs in bare}
    found |= {name: tensor for name, tensor in bare.items() if name == "logit_scale"}
    found |= _renamed(bare, "vision_model.", "visual.", VISION)
    return found | _renamed(bare, "text_model.", "", TEXT) | heads_of(bare)


def _renamed(tensors: Tensors, theirs: str, ours: str, outside: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Return one tower by open_clip's names; `theirs` and `ours` are its prefixes."""
    found: dict[str, torch.Tensor] = {}
    projections: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for full, tensor in tensors.items():
        name = full.removeprefix(theirs)
        layer = _LAYER.match(name)
        if full == name:
            continue
        if layer and layer[2] in BLOCK:
            found[f"{ours}transformer.resblocks.{layer[1]}.{BLOCK[layer[2]]}.{layer[3]}"] = tensor
        elif layer and layer[2] in PACKED:
            projections.setdefault((layer[1], layer[3]), {})[layer[2]] = tensor
        elif name in outside:
            found[f"{ours}{outside[name]}"] = tensor
        elif not name.endswith("position_ids"):  # a range of integers, which older files hold
            found[f"{ours}{name}"] = tensor  # an unknown tensor: the comparison with the tower names it
    for (number, kind), parts in projections.items():
        packed = _packed(parts, f"{theirs}encoder.layers.{number}.self_attn", kind)
        found[f"{ours}transformer.resblocks.{number}.attn.in_proj_{kind}"] = packed
    return found


def _packed(parts: Tensors, name: str, kind: str) -> torch.Tensor:
    """Return the query, key and value projections of a layer as one tensor."""
    shapes = {tuple(part.shape[1:]) if part.ndim else None for part in parts.values()}
    if len(parts) < len(PACKED) or len(shapes) > 1 or None in shapes:
        got = ", ".join(f"{part} {tuple(tensor.shape)}" for part, tensor in parts.items())
        raise CheckpointError(f"{name}: wanted the {kind} of q_proj, k_proj and v_proj, of one width, got {got}")
    return torch.cat([parts[part] for part in PACKED])


def _transposed(tensors: Tensors, name: str) -> torch.Tensor:
    if tensors[name].ndim != 2:
        raise CheckpointError(f"{name}: wanted as (features, width), got {tuple(tensors[name].shape)}")
    return tensors[name].t().contiguous()


FAMILY = Family(name="hugging-face", recognises=_recognises, read=_read, projection_optional=True)
