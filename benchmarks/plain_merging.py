"""The plainest loops over safetensors files that a merge cannot do without: reads, sums, selections, decompositions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import safetensors.torch
import torch

SCALE, KEEP = 0.3, 0.2
State = dict[str, torch.Tensor]


def _files(folder: Path) -> list[Path]:
    return [folder / f"{i}.safetensors" for i in range(len(list(folder.glob("*.safetensors"))))]


def coefficients(count: int) -> tuple[float, ...]:
    """Return the coefficients of task arithmetic for a base and count − 1 tuned models."""
    return (1 - SCALE * (count - 1), *[SCALE] * (count - 1))


def average(folder: Path) -> None:
    """Add up all models in place, divide, write a file."""
    files = _files(folder)
    total = {name: tensor.clone() for name, tensor in safetensors.torch.load_file(files[0]).items()}
    for file in files[1:]:
        for name, tensor in safetensors.torch.load_file(file).items():
            total[name].add_(tensor)
    for tensor in total.values():
        tensor.div_(len(files))
    safetensors.torch.save_file(total, folder / "plain.out")


def task_arithmetic(folder: Path) -> None:
    """Add scaled models up in place, write a file."""
    total = _scaled_sum(map(safetensors.torch.load_file, _files(folder)), folder)
    safetensors.torch.save_file(total, folder / "plain.out")


def copied(folder: Path) -> object:
    """Copy all models into memory, and add them up scaled."""
    states = [{n: t.clone() for n, t in safetensors.torch.load_file(file).items()} for file in _files(folder)]
    return states, _scaled_sum(states, folder)


def _scaled_sum(states: Iterable[State], folder: Path) -> State:
    total: State = {}
    for state, coefficient in zip(states, coefficients(len(_files(folder))), strict=True):
        for name, tensor in state.items():
            if name in total:
                total[name].add_(tensor, alpha=coefficient)
            else:
                total[name] = tensor * coefficient
    return total


def thresholds(folder: Path) -> list[float]:
    """Select the threshold of each task vector."""
    base, *tuned = _files(folder)
    start, found = safetensors.torch.load_file(base), []
    for file in tuned:
        state = safetensors.torch.load_file(file)
        magnitudes = torch.cat([(state[name] - start[name]).abs_().view(-1) for name in start]).numpy()
        kept = round(KEEP * len(magnitudes))
        magnitudes.partition(len(magnitudes) - kept)
        found.append(float(magnitudes[len(magnitudes) - kept]))
    return found


def _task_matrices(folder: Path) -> Iterator[list[torch.Tensor]]:
    base, *tuned = (safetensors.torch.load_file(file) for file in _files(folder))
    for name, own in base.items():
        if own.ndim == 2:
            yield [(state[name] - own).double() for state in tuned]


def decompositions_of_tsv(folder: Path) -> None:
    """Decompose each task matrix, and its kept left and right singular vectors side by side."""
    for tasks in _task_matrices(folder):
        rank = min(tasks[0].shape) // len(tasks)
        lefts, rights = list[torch.Tensor](), list[torch.Tensor]()
        for task in tasks:
            left, _, right = torch.linalg.svd(task, full_matrices=False)
            lefts.append(left[:, :rank])
            rights.append(right[:rank])
        torch.linalg.svd(torch.cat(lefts, 1), full_matrices=False)
        torch.linalg.svd(torch.cat(rights, 0), full_matrices=False)


def decompositions_of_iso_c(folder: Path) -> None:
    """Decompose the sum of each matrix's task matrices."""
    for tasks in _task_matrices(folder):
        torch.linalg.svd(torch.stack(tasks).sum(0), full_matrices=False)


PLAIN: Mapping[str, Callable[[Path], object]] = {
    "weight-average": average,
    "task-arithmetic": task_arithmetic,
    "evaluation": copied,
    "ties": thresholds,
    "tsv-merge": decompositions_of_tsv,
    "iso-c": decompositions_of_iso_c,
}
"""By method, the loop to compare it with, from the folder of the files."""
