"""All checkpoint families, and the recognition of a checkpoint's family by the names of its tensors."""

from importlib import import_module
from typing import NamedTuple

import torch

from tasks.errors import CheckpointError
from tasks.models.families.family import Family, Tensors

_FILES = (
    "hugging_face",
    "model_soups",
    "task_vectors",
    "state_dict",
    "ours",
    "open_clip",
)
FAMILIES: tuple[Family, ...] = tuple(import_module(f"{__package__}.{file}").FAMILY for file in _FILES)
"""In order of precedence: the first family that recognises a checkpoint reads it."""


class Recognised(NamedTuple):
    """A checkpoint of a known family."""

    family: str
    """The family's name; `HEAD_ALONE` of `checkpoint` for a file that holds a head without a tower."""
    tensors: dict[str, torch.Tensor]
    """By open_clip's names: `visual.…`, `head.weight`, `head.bias`, and the text tower's."""
    projection_optional: bool = False
    """See `Family`."""


def recognise(tensors: Tensors, where: str) -> Recognised | None:
    """Return a checkpoint's tensors by open_clip's names, or None if no family recognises them.

    Args:
        tensors: by the names that the file gives them.
        where: the file's address, for messages.

    Raises:
        CheckpointError: a tensor occurs twice, or has a shape that its family cannot have.
    """
    try:
        for family in FAMILIES:
            if family.recognises(tensors):
                return Recognised(family.name, family.read(tensors), family.projection_optional)
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}") from error
    return None
