"""Image classifiers: a vision tower, features of unit length, a linear head."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from tasks.errors import CheckpointError, ModelMismatch
from tasks.models.checkpoint import HEAD
from tasks.models.tower import build_named_tower, build_tower, infer_shape


class ImageClassifier(nn.Module):
    """Logits of images: head(tower(x) / ‖tower(x)‖)."""

    def __init__(self, visual: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.visual = visual
        self.head = nn.Linear(features, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of images (n, 3, h, w)."""
        logits: torch.Tensor = self.head(functional.normalize(self.visual(images), dim=-1))
        return logits


def skeleton(state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None) -> ImageClassifier:
    """Return a classifier of a state's layout without weights: it costs no memory.

    Raises:
        CheckpointError: the state has no head, or its tensors are not those of the architecture.
    """
    if HEAD[0] not in state:
        raise CheckpointError(
            f"{where}: no classification head; wanted classification_head.weight, or name one in `heads`"
        )
    classes, features = state[HEAD[0]].shape
    with torch.device("meta"):
        tower = build_named_tower(architecture) if architecture else build_tower(infer_shape(state, where))
        module = ImageClassifier(tower, features, classes)
    wanted = {name: tuple(t.shape) for name, t in module.state_dict().items()}
    got = {name: tuple(t.shape) for name, t in state.items()}
    missing, extra = sorted(wanted.keys() - got.keys()), sorted(got.keys() - wanted.keys())
    differing = [f"{n}: wanted {wanted[n]}, got {got[n]}" for n in wanted.keys() & got.keys() if wanted[n] != got[n]]
    if faults := [f"{n} is missing" for n in missing] + [f"{n} is not expected" for n in extra] + sorted(differing):
        name = architecture or "the vision transformer its tensors suggest"
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        raise CheckpointError(f"{where}: does not fit {name}: {'; '.join(faults[:3])}{more}")
    return module.eval().requires_grad_(False)


def build_classifier(
    state: Mapping[str, torch.Tensor], where: str, architecture: str | None = None, device: str = "cpu"
) -> ImageClassifier:
    """Return the classifier of a state, on a device, ready to predict."""
    module = skeleton(state, where, architecture)
    module.load_state_dict({name: tensor.to(device) for name, tensor in state.items()}, assign=True)
    return module.eval().requires_grad_(False)


def check_classes(got: int, wanted: int, model: str, dataset: str) -> None:
    """Raise `ModelMismatch` unless a head has as many classes as a data set."""
    if got != wanted:
        raise ModelMismatch(f"model {model}: head of {got} classes, but data set {dataset} has {wanted}")
