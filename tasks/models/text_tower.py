"""CLIP's text tower, and zero-shot heads that it makes of class names and prompt templates.

The source is section 3.1.4 of Radford et al. 2021 (arXiv 2103.00020). The head's row of a class is the mean of the
embeddings of its prompts, each of unit length. The mean is brought to unit length and multiplied by the checkpoint's
own logit scale, so that logits are scale × cosine.
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
_PREFIX = "text."  # begins the names of text towers in open_clip's newer models
_SCALE = 100.0  # for a checkpoint without a logit scale: the limit of CLIP's scale in training
_VOCABULARY = 49_408  # tokens of CLIP's tokenizer
_CONTEXT = 77  # tokens of a prompt, padding included; open_clip's default
_PROMPTS = 256  # embedded at a time

Tensors = Mapping[str, torch.Tensor]


def text_features(tensors: Tensors) -> int | None:
    """Return the number of features that a checkpoint's text tower computes for a prompt; None without such a tower."""
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
    """Return a zero-shot head: `head.weight` (classes, features) and `head.bias` (zeros), float32, on the CPU.

    Args:
        tensors: of a checkpoint, by open_clip's names, text tower included.
        classes: the names of the classes, in the order of the data set's labels.
        templates: prompts with `{}` in place of the name.
        where: the checkpoint's address, for messages.
        architecture: an open_clip model's name, or a configuration as text. None, or one that describes no text tower:
            the tensors determine the shape of a CLIP text tower with heads of 64 and the vision tower's activation.
        device: the device on which the tower runs.
        advanced: called with the number of classes done since the last call.

    Raises:
        CheckpointError: the checkpoint has no text tower, or one that is not the architecture's.
    """
    text = {name: tensor.float() for name, tensor in _text_of(tensors).items()}
    with torch.device("meta"):  # a description that does not fit the tensors takes no memory
        wanted = _tower(text, where, architecture)[0].state_dict()
    if missing := sorted(name for name in wanted if name not in text or text[name].shape != wanted[name].shape):
        raise CheckpointError(
            f"{where}: its text tower has no {missing[0]} of the wanted shape ({len(missing)} such tensors)"
        )
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

    A configuration may describe its text tower. Without such a description the tensors determine the tower's shape.
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
        return _inferred(text, where, quick=quick)
    settings = dict(described["text_cfg"])
    quick = bool(settings.pop("quick_gelu", quick))
    if "hf_model_name" in settings or (not named and "hf_tokenizer_name" in settings):
        raise CheckpointError(f"{where}: its text tower or its tokenizer is not open_clip's own; name a head")
    tower = _build_text_tower(described["embed_dim"], settings, quick_gelu=quick)
    if named:
        return tower, open_clip.get_tokenizer(architecture)
    return tower, SimpleTokenizer(context_length=settings.get("context_length", _CONTEXT))


def _inferred(text: Tensors, where: str, *, quick: bool) -> tuple[nn.Module, Callable[[list[str]], torch.Tensor]]:
    settings = inferred_text_settings(text, where)
    tower: nn.Module = _build_text_tower(text["text_projection"].shape[1], CLIPTextCfg(**settings), quick_gelu=quick)
    return tower, SimpleTokenizer(context_length=settings["context_length"])


def inferred_text_settings(text: Tensors, where: str) -> dict[str, Any]:
    """Return the settings of the text tower that tensors make up, as open_clip's `text_cfg`, with heads of 64.

    Args:
        text: tensors by open_clip's names; those of a vision tower may be among them.
        where: the checkpoint's address, for messages.

    Raises:
        CheckpointError: they are not those of a CLIP text tower with CLIP's tokens.
    """
    try:
        positions, embedding = text["positional_embedding"], text["token_embedding.weight"]
        _, width = text["text_projection"], text["ln_final.weight"].shape[0]
        mlp = text["transformer.resblocks.0.mlp.c_fc.weight"].shape[0]
    except KeyError as error:
        raise CheckpointError(
            f"{where}: no text tower in it ({error.args[0]} is missing), so that no head can be made of names; "
            "name a head's file, or a checkpoint with one as the head's `text`"
        ) from error
    layers = sum(name.startswith("transformer.") and name.endswith("attn.in_proj_weight") for name in text)
    if width % _HEAD_WIDTH or embedding.shape[0] < _VOCABULARY:
        raise CheckpointError(
            f"{where}: text tower of width {width} and {embedding.shape[0]} tokens, wanted a multiple of {_HEAD_WIDTH} "
            f"and CLIP's {_VOCABULARY}; name its `architecture`"
        )
    return {
        "context_length": positions.shape[0],
        "vocab_size": embedding.shape[0],
        "width": width,
        "heads": width // _HEAD_WIDTH,
        "layers": layers,
        "mlp_ratio": mlp / width,
    }
