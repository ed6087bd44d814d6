"""The layouts that checkpoints of CLIP come in, brought to one set of names: open_clip's `visual.…` and `head.…`.

Which one it is, is decided from the tensors' names.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import torch

from tasks.errors import CheckpointError

Tensors = Mapping[str, torch.Tensor]

_WRAPPERS = ("module.", "model.")  # data-parallel training, and what wraps a CLIP in model-soups and task-vectors
_HEADS = ("classification_head.", "head.")


class Recognised(NamedTuple):
    """A checkpoint whose layout is known."""

    family: str
    tensors: dict[str, torch.Tensor]
    """By open_clip's names: `visual.…`, `head.weight`, `head.bias`, the text tower's."""


def recognise(tensors: Tensors) -> Recognised | None:
    """Return a checkpoint's tensors by open_clip's names, or None when there is no vision tower among them."""
    bare = {_bare(name): tensor for name, tensor in tensors.items()}
    if len(bare) < len(tensors):
        twice = Counter(map(_bare, tensors)).most_common(1)[0][0]
        raise CheckpointError(f"{twice} is there twice, under several prefixes: which one is meant?")
    if "embeddings.patch_embedding.weight" in bare:  # the tower alone, as newer transformers write it
        bare = {f"vision_model.{name}": tensor for name, tensor in bare.items()}
    if any(name.startswith("vision_model.") for name in bare):
        return Recognised("hugging-face", _from_hugging_face(bare) | heads_of(bare))
    if not any(name.startswith("visual.") for name in bare):
        return None
    kept = {name: tensor for name, tensor in bare.items() if not name.startswith(_HEADS)}
    return Recognised(_family(tensors, bare), kept | heads_of(bare))


def _family(tensors: Tensors, bare: Tensors) -> str:
    if any(name.startswith("classification_head.") for name in bare):
        return "model-soups" if any(name.startswith("model.") for name in tensors) else "state-dict"
    if any(name.startswith("model.") for name in tensors):
        return "task-vectors"
    return "ours" if "head.weight" in bare and "logit_scale" not in bare else "open-clip"


def _bare(name: str) -> str:
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name


def heads_of(tensors: Tensors, *, bare: bool = False) -> dict[str, torch.Tensor]:
    """Return `head.weight` and `head.bias` (zeros where there is none), or nothing.

    `bare`: the names may be `weight` and `bias` alone, as in a file that holds nothing but a head.
    """
    for prefix in (*_HEADS, *([""] if bare else [])):
        if f"{prefix}weight" in tensors:
            weight = tensors[f"{prefix}weight"]
            classes = weight.shape[0] if weight.ndim else 0
            return {"head.weight": weight, "head.bias": tensors.get(f"{prefix}bias", torch.zeros(classes))}
    return {}


# Hugging Face's names of a CLIP's towers, and open_clip's
_VISION = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "pre_layrnorm.weight": "ln_pre.weight",  # their spelling
    "pre_layrnorm.bias": "ln_pre.bias",
    "post_layernorm.weight": "ln_post.weight",
    "post_layernorm.bias": "ln_post.bias",
}
_TEXT = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_PROJECTIONS = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}
_BLOCK = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_PACKED = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")  # by open_clip into one
_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$")


def _from_hugging_face(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Rename both towers, transpose the last projections."""
    found = {ours: _transposed(tensors, theirs) for theirs, ours in _PROJECTIONS.items() if theirs in tensors}
    found |= {name: tensor for name, tensor in tensors.items() if name == "logit_scale"}
    return found | _renamed(tensors, "vision_model.", "visual.", _VISION) | _renamed(tensors, "text_model.", "", _TEXT)


def _renamed(tensors: Tensors, theirs: str, ours: str, outside: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """Rename a tower, and pack its query, key and value projections."""
    found: dict[str, torch.Tensor] = {}
    projections: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for full, tensor in tensors.items():
        name = full.removeprefix(theirs)
        layer = _LAYER.match(name)
        if full == name:
            continue
        if layer and layer[2] in _BLOCK:
            found[f"{ours}transformer.resblocks.{layer[1]}.{_BLOCK[layer[2]]}.{layer[3]}"] = tensor
        elif layer and layer[2] in _PACKED:
            projections.setdefault((layer[1], layer[3]), {})[layer[2]] = tensor
        elif name in outside:
            found[f"{ours}{outside[name]}"] = tensor
        elif not name.endswith("position_ids"):  # a range of integers that older files hold
            found[f"{ours}{name}"] = tensor  # for the check against the tower to name
    for (number, kind), parts in projections.items():
        name = f"{theirs}encoder.layers.{number}.self_attn"
        shapes = {tuple(part.shape[1:]) if part.ndim else None for part in parts.values()}
        if len(parts) < len(_PACKED) or len(shapes) > 1 or None in shapes:
            got = ", ".join(f"{part} {tuple(tensor.shape)}" for part, tensor in parts.items())
            raise CheckpointError(f"{name}: {kind} wanted of q_proj, k_proj and v_proj, of one width, got {got}")
        packed = torch.cat([parts[name] for name in _PACKED])
        found[f"{ours}transformer.resblocks.{number}.attn.in_proj_{kind}"] = packed
    return found


def _transposed(tensors: Tensors, name: str) -> torch.Tensor:
    if tensors[name].ndim != 2:
        raise CheckpointError(f"{name}: wanted as (features, width), got {tuple(tensors[name].shape)}")
    return tensors[name].t().contiguous()
