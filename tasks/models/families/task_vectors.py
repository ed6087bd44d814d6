"""Checkpoints of the task-vectors code: an encoder that holds a CLIP as `model.…`; its heads are files of their own."""

from tasks.models.families.family import Family, Tensors
from tasks.models.families.tensor_names import has_prefix, in_encoder, read_unwrapped


def _recognises(tensors: Tensors) -> bool:
    return in_encoder(tensors) and has_prefix(tensors, "visual.") and not has_prefix(tensors, "classification_head.")


FAMILY = Family(name="task-vectors", recognises=_recognises, read=read_unwrapped)
