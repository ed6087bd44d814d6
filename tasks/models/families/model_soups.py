"""Checkpoints of the model-soups and WiSE-FT code: a CLIP as `model.…` beside a head as `classification_head.…`."""

from tasks.models.families.family import Family, Tensors
from tasks.models.families.tensor_names import has_prefix, in_encoder, read_unwrapped


def _recognises(tensors: Tensors) -> bool:
    return in_encoder(tensors) and has_prefix(tensors, "visual.") and has_prefix(tensors, "classification_head.")


FAMILY = Family(name="model-soups", recognises=_recognises, read=read_unwrapped)
