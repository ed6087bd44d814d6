"""Checkpoints of any family, read as the models that the pipeline merges: a vision tower and a head."""

from collections.abc import Mapping
from typing import BinaryIO

import torch

from tasks.errors import CheckpointError
from tasks.merging.finite import all_finite
from tasks.models.families.registry import Recognised, recognise
from tasks.models.families.tensor_names import heads_of
from tasks.models.files.tensor_files import read_tensors

HEAD = ("head.weight", "head.bias")
PROJECTION = "visual.proj"
HEAD_ALONE = "head"
"""Stands for a family's name in the description of a file that holds a head without a tower."""


def read_checkpoint(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return the vision tower (and the head, if any) of a checkpoint, in float32, by open_clip's names.

    The text tower is left out, since it takes no part in the classification of images.

    Args:
        file: opened for reading, seekable.
        where: the file's address, for messages.
        path: the same file's local path, if it has one. The file is then mapped, not copied.

    Raises:
        CheckpointError: the file holds no vision tower, or numbers that are not finite, or `read_tensors` refuses it.
    """
    return vision_of(read_family(file, where, path).tensors, where)


def vision_of(tensors: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    """Return the vision tower and head among a checkpoint's tensors, in float32.

    Raises:
        CheckpointError: a tensor holds numbers that are not finite, or is not a plain tensor.
    """
    return _in_float32({n: t for n, t in tensors.items() if n.startswith("visual.") or n in HEAD}, where)


def read_family(file: BinaryIO, where: str, path: str | None = None) -> Recognised:
    """Return all tensors of a checkpoint by open_clip's names, in the types that they are stored in, and its family.

    Args:
        file: opened for reading, seekable.
        where: the file's address, for messages.
        path: the same file's local path, if it has one.

    Raises:
        CheckpointError: the file holds no vision tower, or a head of a wrong shape, or `read_tensors` refuses it.
    """
    tensors = read_tensors(file, where, path)
    return _checked(recognise(tensors, where), tensors, where)


def _checked(found: Recognised | None, tensors: Mapping[str, torch.Tensor], where: str) -> Recognised:
    if found is None:
        raise CheckpointError(
            f"{where}: no vision tower; wanted tensors named visual.…, model.visual.… or vision_model.…, "
            f"got {', '.join(list(tensors)[:3])} ({len(tensors)} in all)"
        )
    _check_head(found.tensors, where)
    return found


def read_any(file: BinaryIO, where: str, path: str | None = None) -> Recognised:
    """Return all tensors of a checkpoint, as `read_family` does, or of a file that holds a head alone.

    Raises:
        CheckpointError: the file holds neither a vision tower nor a head, or `read_tensors` refuses it.
    """
    tensors = read_tensors(file, where, path)
    found = recognise(tensors, where)
    if found is None and (head := heads_of(tensors, bare=True)):
        found = Recognised(HEAD_ALONE, head)
    return _checked(found, tensors, where)


def read_head(file: BinaryIO, where: str, path: str | None = None) -> dict[str, torch.Tensor]:
    """Return `head.weight` (classes, features) and `head.bias` (classes,) of a file that holds a head, in float32.

    The file may name them `weight` and `bias`. A head without a bias gets one of zeros.

    Raises:
        CheckpointError: the file holds no head, or one of a wrong shape, or `read_tensors` refuses it.
    """
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
            tensor = tensor.float()  # noqa: PLW2901  the same object if the tensor is float32 already
            if not all_finite(tensor):
                raise CheckpointError(f"{where}: {name} holds NaN or infinite weights")
        converted[name] = tensor
    return converted
