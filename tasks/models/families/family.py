"""The contract of a checkpoint family. A new family is one file beside this one and one line of `registry`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Tensors = Mapping[str, torch.Tensor]
"""Tensors by the names that a file gives them. They may be outlines without numbers, on the device `meta`."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A way to name the tensors of a CLIP model, with or without a classification head."""

    name: str
    """As `dawin inspect` prints it."""
    recognises: Callable[[Tensors], bool]
    """Whether tensors are named in this way. It looks at names alone."""
    read: Callable[[Tensors], dict[str, torch.Tensor]]
    """The same tensors by open_clip's names: `visual.…`, the text tower's, and `head.weight` and `head.bias`.

    Tensors that need no change must be the same objects, so that a safetensors file can be read tensor by tensor. A
    `CheckpointError` that this function raises says which tensor is at fault; the caller adds the file's address.
    """
    projection_optional: bool = False
    """Whether a tower may come without its last projection. The base model's projection then completes it."""
