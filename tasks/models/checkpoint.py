"""Checkpoints, whatever family they are of, as the models that the pipeline merges: a vision tower and a head."""

from collections.abc import Mapping
from typing import BinaryIO

import torch

from tasks.errors import CheckpointError
from tasks.models.families.recognition import Recognised, heads_of, recognise
from tasks.models.files.tensor_files import read_tensors

HEAD = ("head.weight", "head.bias")
PROJECTION = "visual.proj"
HEAD_ALONE = "head"  # in the place of a family: a file without a tower


def read_checkpoint(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return the vision tower (and head, if there is one) of a checkpoint, in float32, by open_clip's names.

    The text tower is left out: it takes no part in classifying images. The families that are understood are those of
    `families`.

    Raises:
        CheckpointError: no vision tower in it, numbers that are not finite, or what `read_tensors` refuses.
    """
    return vision_of(read_family(file, where, path).tensors, where)


def vision_of(tensors: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    """Return the vision tower and head among a checkpoint's tensors, in float32; see `read_checkpoint`."""
    return _in_float32({n: t for n, t in tensors.items() if n.startswith("visual.") or n in HEAD}, where)


def read_family(file: BinaryIO, where: str, path: str | None = None) -> Recognised:
    """Return all tensors of a checkpoint by open_clip's names, in the types that they are stored in, and its family.

    Raises:
        CheckpointError: no vision tower in it, a head that is none, or what `read_tensors` refuses.
    """
    tensors = read_tensors(file, where, path)
    return _checked(recognise(tensors), tensors, where)


def _checked(found: Recognised | None, tensors: Mapping[str, torch.Tensor], where: str) -> Recognised:
    if found is None:
        raise CheckpointError(
            f"{where}: no vision tower; wanted tensors named visual.…, model.visual.… or vision_model.…, "
            f"got {', '.join(list(tensors)[:3])} ({len(tensors)} in all)"
        )
    _check_head(found.tensors, where)
    return found


def read_any(file: BinaryIO, where: str, path: str | None = None) -> Recognised:
    """Return all tensors of a checkpoint, or of a file that holds a head alone; see `read_family` and `read_head`.

    Raises:
        CheckpointError: neither a vision tower nor a head in it, or what `read_tensors` refuses.
    """
    tensors = read_tensors(file, where, path)
    found = recognise(tensors)
    if found is None and (head := heads_of(tensors, bare=True)):
        found = Recognised(HEAD_ALONE, head)
    return _checked(found, tensors, where)


def read_head(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return a head from a file of its own: `weight` (classes, features) and, or zeros, `bias` (classes,)."""
    tensors = read_tensors(file, where, path)
    head = heads_of(tensors, bare=True)
    if not head:
        raise CheckpointError(f"{where}: no head; wanted a tensor named weight, got {', '.join(list(tensors)[:3])}")
    _check_head(head, where)
    return _in_float32(head, where)


def _check_head(tensors: Mapping[str, torch.Tensor], where: str) -> None:
    weight = tensors.get("head.weight")
    if weight is not None and (weight.ndim != 2 or not weight.numel()):
        raise CheckpointError(f"{where}: head weight wanted as (classes, features), got {tuple(weight.shape)}")


def _in_float32(state: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    converted = {}
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
            raise CheckpointError(f"{where}: {name} is not a plain tensor ({tensor.layout}, on {tensor.device})")
        if tensor.is_floating_point():
            tensor = tensor.float()  # noqa: PLW2901  the same tensor where it was float32 already
            if not bool(torch.isfinite(tensor).all()):
                raise CheckpointError(f"{where}: {name} holds NaN or infinite weights")
        converted[name] = tensor
    return converted
