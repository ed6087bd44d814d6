"""Plain state dicts of a classifier: open_clip's names for the tower beside a head as `classification_head.…`."""

from tasks.models.families.family import Family, Tensors
from tasks.models.families.tensor_names import has_prefix, in_encoder, read_unwrapped


def _recognises(tensors: Tensors) -> bool:
    return not in_encoder(tensors) and has_prefix(tensors, "visual.") and has_prefix(tensors, "classification_head.")


FAMILY = Family(name="state-dict", recognises=_recognises, read=read_unwrapped)
