"""open_clip's own checkpoints, OpenAI's TorchScript archives among them: a whole CLIP, or its vision tower alone."""

from tasks.models.families.family import Family, Tensors
from tasks.models.families.tensor_names import has_prefix, in_encoder, read_unwrapped, unwrapped


def _recognises(tensors: Tensors) -> bool:
    if in_encoder(tensors) or not has_prefix(tensors, "visual.") or has_prefix(tensors, "classification_head."):
        return False
    bare = unwrapped(tensors)
    return "head.weight" not in bare or "logit_scale" in bare  # a head beside a tower alone: our own form


FAMILY = Family(name="open-clip", recognises=_recognises, read=read_unwrapped)
