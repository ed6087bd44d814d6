"""All checkpoint families, and the recognition of a checkpoint's family by the names of its tensors."""

from typing import NamedTuple

import torch

from tasks.errors import CheckpointError
from tasks.models.families.family import Family, Tensors
from tasks.models.families.hugging_face import HUGGING_FACE
from tasks.models.families.model_soups import MODEL_SOUPS
from tasks.models.families.open_clip import OPEN_CLIP
from tasks.models.families.ours import OURS
from tasks.models.families.state_dict import STATE_DICT
from tasks.models.families.task_vectors import TASK_VECTORS

FAMILIES: tuple[Family, ...] = (
    HUGGING_FACE,
    MODEL_SOUPS,
    TASK_VECTORS,
    STATE_DICT,
    OURS,
    OPEN_CLIP,
)
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
