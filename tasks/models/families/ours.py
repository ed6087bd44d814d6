"""Our own form, which `dawin convert` writes: open_clip's vision tower and a head named `head.…`, without the rest."""

from tasks.models.families.family import Family, Tensors
from tasks.models.families.tensor_names import has_prefix, in_encoder, read_unwrapped, unwrapped


def _recognises(tensors: Tensors) -> bool:
    if in_encoder(tensors) or not has_prefix(tensors, "visual.") or has_prefix(tensors, "classification_head."):
        return False
    bare = unwrapped(tensors)
    return "head.weight" in bare and "logit_scale" not in bare


FAMILY = Family(name="ours", recognises=_recognises, read=read_unwrapped)
