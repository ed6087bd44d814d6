"""Random classifiers of any architecture, which cost as much as trained ones, and their timing."""

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

from tasks.datasets.preprocessing import Preprocessing
from tasks.models.classifier import ImageClassifier, features_of
from tasks.models.tower import build_named_tower

CLASSES = 1000
State = dict[str, torch.Tensor]


def classifiers(arch: str, count: int, device: str) -> tuple[ImageClassifier, list[State]]:
    """Return a classifier and `count` states: its own, and others near it, like those of fine-tuned models."""
    torch.manual_seed(0)
    tower = build_named_tower(arch)
    model = ImageClassifier(tower, features_of(tower.to("meta")), CLASSES).eval().requires_grad_(False)
    model.visual = build_named_tower(arch).eval().requires_grad_(False)
    base = {name: tensor.to(device) for name, tensor in model.state_dict().items()}
    states = [base]
    for seed in range(1, count):
        generator = torch.Generator(device).manual_seed(seed)
        states.append({name: _near(tensor, generator) for name, tensor in base.items()})
    return model.to(device), states


def _near(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    noise = torch.randn(tensor.shape, generator=generator, device=tensor.device)
    return tensor + 1e-3 * noise * tensor.abs()


def preprocessing_of(model: ImageClassifier) -> Preprocessing:
    """Return a preprocessing that gives a classifier images of its size."""
    size = model.visual.image_size
    side = int(size[0] if isinstance(size, tuple) else size)  # type: ignore[index, arg-type]
    return Preprocessing(size=side, mean=(0.5,) * 3, std=(0.25,) * 3, interpolation="bicubic")


def in_turn(compared: Mapping[str, Callable[[], object]], arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Run functions in turn, A B A B …, after one unmeasured run of each, and return the seconds of every run."""
    seconds: dict[str, list[float]] = {name: [] for name in compared}
    for turn in range(arguments.runs + 1):
        for name, run in compared.items():
            _wait(arguments.device)
            start = time.perf_counter()
            run()
            _wait(arguments.device)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratio(these: list[float], those: list[float]) -> float:
    """Return the median ratio of two functions' seconds, turn by turn."""
    return median(a / b for a, b in zip(these, those, strict=True))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
