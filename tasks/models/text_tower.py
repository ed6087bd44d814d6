"""CLIP's text tower, and the classification head that it makes of names and prompt templates (Radford et al. 2021).

A class's row of the head is the mean of its prompts' embeddings, each of unit length, brought to unit length again and
multiplied by the checkpoint's own logit scale: logits are then scale × cosine.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import open_clip
import torch
from open_clip.model import CLIPTextCfg, _build_text_tower
from open_clip.tokenizer import SimpleTokenizer
from torch import nn
from torch.nn import functional

from tasks.errors import CheckpointError
from tasks.models.architecture import configuration_in
from tasks.models.checkpoint import HEAD

_HEAD_WIDTH = 64  # of one attention head, in every CLIP text tower
_PREFIX = "text."  # in front of a text tower's names in open_clip's newer models
_SCALE = 100.0  # where a checkpoint holds no logit scale: what CLIP's were clipped to in training
_VOCABULARY = 49_408  # tokens of CLIP's tokenizer
_CONTEXT = 77  # tokens of a prompt, padding included, in open_clip's configurations that say nothing else
_PROMPTS = 256  # at a time

Tensors = Mapping[str, torch.Tensor]


def text_features(tensors: Tensors) -> int | None:
    """Return how many features a checkpoint's text tower gives a prompt; None without a text tower."""
    text = _text_of(tensors)
    projection = text.get("text_projection")
    if projection is not None and projection.ndim == 2 and "token_embedding.weight" in text:
        return int(text["text_projection"].shape[1])
    return None


def zero_shot_head(
    tensors: Tensors,
    classes: Sequence[str],
    templates: Sequence[str],
    where: str,
    *,
    architecture: str | None = None,
    device: str = "cpu",
    advanced: Callable[[int], object] = lambda _done: None,
) -> dict[str, torch.Tensor]:
    """Return `head.weight` (classes, features) and `head.bias` (zeros), float32, on the CPU.

    Args:
        tensors: of a checkpoint, by open_clip's names, text tower included.
        classes: their names, in the order of the data set's labels.
        templates: prompts, `{}` where the name goes.
        where: the checkpoint's address, for messages.
        architecture: as in `architecture`; None, or one that describes no text tower: a CLIP text tower whose shape is
            read off the tensors, with heads of 64 and the vision tower's activation.
        device: where the tower runs.
        advanced: called with the number of classes done since the last call.

    Raises:
        CheckpointError: no text tower, or not the architecture's.
    """
    text = {name: tensor.float() for name, tensor in _text_of(tensors).items()}
    with torch.device("meta"):  # a description that does not fit the tensors must not take memory
        wanted = _tower(text, where, architecture)[0].state_dict()
    if missing := sorted(name for name in wanted if name not in text or text[name].shape != wanted[name].shape):
        raise CheckpointError(f"{where}: its text tower has no {missing[0]} as wanted ({len(missing)} such tensors)")
    tower, tokenize = _tower(text, where, architecture)
    tower.load_state_dict({name: text[name] for name in wanted})
    tower.to(device).eval()
    scale = float(tensors["logit_scale"].float().exp()) if "logit_scale" in tensors else _SCALE
    rows = []
    with torch.inference_mode():
        for name in classes:
            tokens = tokenize([template.format(name) for template in templates])
            parts = [tower(part.to(device)) for part in torch.split(tokens, _PROMPTS)]
            embedded = functional.normalize(torch.cat(parts), dim=-1)
            rows.append(functional.normalize(embedded.mean(0), dim=-1).cpu())
            advanced(1)
        weight = torch.stack(rows) * scale
    return {HEAD[0]: weight.clone(), HEAD[1]: torch.zeros(len(classes))}


def _text_of(tensors: Tensors) -> dict[str, torch.Tensor]:
    outside = (*HEAD, "logit_scale", "logit_bias")
    return {
        name.removeprefix(_PREFIX): tensor
        for name, tensor in tensors.items()
        if not name.startswith("visual.") and name not in outside
    }


def _tower(
    text: Tensors, where: str, architecture: str | None
) -> tuple[nn.Module, Callable[[list[str]], torch.Tensor]]:
    """Return an untrained tower and its tokenizer.

    A configuration that describes its text tower is built as described; of another the shape is read off the tensors.
    """
    named = architecture is not None and configuration_in(architecture) is None
    if architecture is None:
        described: dict[str, Any] | None = {"quick_gelu": True}  # OpenAI's
    else:
        described = open_clip.get_model_config(architecture) if named else configuration_in(architecture)
    if described is None:
        raise CheckpointError(f"architecture {architecture!r}: not an open_clip model")
    quick = bool(described.get("quick_gelu"))
    if "text_cfg" not in described:
        return _read_off(text, where, quick=quick)
    settings = dict(described["text_cfg"])
    quick = bool(settings.pop("quick_gelu", quick))
    if "hf_model_name" in settings or (not named and "hf_tokenizer_name" in settings):
        raise CheckpointError(f"{where}: its text tower or its tokenizer is not open_clip's own; name a head")
    tower = _build_text_tower(described["embed_dim"], settings, quick_gelu=quick)
    if named:
        return tower, open_clip.get_tokenizer(architecture)
    return tower, SimpleTokenizer(context_length=settings.get("context_length", _CONTEXT))


def _read_off(text: Tensors, where: str, *, quick: bool) -> tuple[nn.Module, Callable[[list[str]], torch.Tensor]]:
    try:
        positions, embedding = text["positional_embedding"], text["token_embedding.weight"]
        projection, width = text["text_projection"], text["ln_final.weight"].shape[0]
        mlp = text["transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
    except KeyError as error:
        raise CheckpointError(
            f"{where}: no text tower in it ({error.args[0]} is missing), so no head can be made of names; "
            "name a head's file, or a checkpoint with one as the head's `text`"
        ) from error
    layers = sum(name.endswith("attn.in_proj_weight") for name in text)
    if width % _HEAD_WIDTH or embedding.shape[0] < _VOCABULARY:
        raise CheckpointError(
            f"{where}: text tower of width {width} and {embedding.shape[0]} tokens, wanted a multiple of {_HEAD_WIDTH} "
            f"and CLIP's {_VOCABULARY}; name its `architecture`"
        )
    shape: dict[str, Any] = {"context_length": positions.shape[0], "vocab_size": embedding.shape[0], "width": width}
    configuration = CLIPTextCfg(**shape, heads=width // _HEAD_WIDTH, layers=layers, mlp_ratio=mlp / width)
    tower: nn.Module = _build_text_tower(projection.shape[1], configuration, quick_gelu=quick)
    return tower, SimpleTokenizer(context_length=positions.shape[0])
