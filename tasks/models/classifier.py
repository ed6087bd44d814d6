"""Image classifiers: a vision tower, whose features are brought to unit length, and a linear head."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from tasks.errors import CheckpointError
from tasks.merging.state_differences import differences
from tasks.models.architecture import described
from tasks.models.checkpoint import HEAD
from tasks.models.identification import identify
from tasks.models.tower import build_named_tower


class ImageClassifier(nn.Module):
    """Computes logits of images: head(tower(x) / ‖tower(x)‖).

    Args:
        visual: the tower, from images (n, 3, h, w) to features (n, d).
        features: d, the number of features of an image.
        classes: the number of classes of the head.
    """

    def __init__(self, visual: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.visual = visual
        self.head = nn.Linear(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of images (n, 3, h, w)."""
        logits: torch.Tensor = self.head(functional.normalize(self.visual(images), dim=-1))
        return logits


def empty_tower(state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None) -> nn.Module:
    """Return a state's tower without weights, on the device `meta`, where it takes no memory.

    Args:
        state: tensors, or outlines without numbers, by open_clip's names.
        where: the checkpoint's address, for messages.
        architecture: an open_clip model's name, or a configuration as text; None: the tensors' shapes identify it.

    Raises:
        CheckpointError: the state's tensors are not those of the architecture, or the architecture cannot be
            identified.
    """
    chosen = architecture or identify(state, where).architecture
    with torch.device("meta"):
        tower = build_named_tower(chosen)
    _check(state, nn.ModuleDict({"visual": tower}), where, chosen)
    return tower


def features_of(tower: nn.Module) -> int:
    """Return the number of features that a tower computes for an image."""
    size = next(int(s) for s in tower.image_size) if isinstance(tower.image_size, tuple) else int(tower.image_size)  # type: ignore[arg-type]  # open_clip's towers have it
    with torch.device("meta"):
        return int(tower.eval()(torch.zeros(1, 3, size, size)).shape[-1])


def skeleton(state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None) -> ImageClassifier:
    """Return a state's classifier without weights, on the device `meta`.

    Args:
        state: tensors, or outlines without numbers, by open_clip's names.
        where: the checkpoint's address, for messages.
        architecture: as for `empty_tower`.

    Raises:
        CheckpointError: the state has no head, or one for another number of features, or `empty_tower` refuses it.
    """
    tower = empty_tower(state, where, architecture)
    if HEAD[0] not in state:
        raise CheckpointError(
            f"{where}: no classification head; wanted classification_head.weight, or one named in `heads`"
        )
    classes, features = state[HEAD[0]].shape
    if features != features_of(tower):
        raise CheckpointError(f"{where}: head for {features} features, but the tower gives {features_of(tower)}")
    with torch.device("meta"):
        module = ImageClassifier(tower, features, classes)
    return module.eval().requires_grad_(False)


def _check(state: Mapping[str, torch.Tensor], module: nn.Module, where: str, architecture: str) -> None:
    """Refuse a state whose tower does not have the tensors of a module."""
    wanted = {name: _kind(tensor) for name, tensor in module.state_dict().items()}
    got = {name: _kind(tensor) for name, tensor in state.items() if name not in HEAD}
    if faults := differences(wanted, got):
        raise CheckpointError(f"{where}: does not fit {described(architecture)}: {'; '.join(faults)}")


def _kind(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {'numbers' if tensor.is_floating_point() else 'counts'}"


def build_classifier(
    state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None, device: str = "cpu"
) -> ImageClassifier:
    """Return a state's classifier on a device, in evaluation mode and without gradients.

    Args:
        state: tensors by open_clip's names: `visual.…`, `head.weight`, `head.bias`.
        where: the checkpoint's address, for messages.
        architecture: as for `empty_tower`.
        device: the device of the classifier's tensors.

    Raises:
        CheckpointError: `skeleton` refuses the state.
    """
    chosen = architecture or identify(state, where).architecture
    module = skeleton(state, where, chosen)
    module.load_state_dict({name: tensor.to(device) for name, tensor in state.items()}, assign=True)
    if any(buffer.is_meta for buffer in module.buffers()):
        _compute_buffers(module, build_named_tower(chosen), device)
    return module.eval().requires_grad_(False)


def _compute_buffers(module: ImageClassifier, tower: nn.Module, device: str) -> None:
    """Give a module the buffers that no state holds, such as tables of positions, from a tower on the CPU."""
    for name, buffer in tower.named_buffers():
        owner, _, own = name.rpartition(".")
        if module.visual.get_buffer(name).is_meta:
            module.visual.get_submodule(owner).register_buffer(own, buffer.to(device), persistent=False)
