"""Trimmed task vectors and elected signs, as TIES and AdaMerging++ use them (Yadav et al., NeurIPS 2023, section 3)."""

from collections.abc import Sequence

import numpy as np
import torch

from tasks.merging.combination import State
from tasks.merging.tensorwise import outline


def trim_threshold(base: State, tuned: State, keep: float) -> float:
    """Return the magnitude that the largest numbers of a task vector reach, a fraction `keep` of all its numbers.

    The numbers kept are round(keep · d) of d. One task vector is in memory.

    Args:
        base: θ_0, tensor by tensor.
        tuned: θ_t.
        keep: fraction in (0, 1].

    Raises:
        ValueError: `keep` is out of range.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep: wanted a fraction above 0 and at most 1, got {keep}")
    sizes = {name: tensor.numel() for name, tensor in outline(base).items() if tensor.is_floating_point()}
    magnitudes = np.empty(sum(sizes.values()), np.float32)
    place = 0
    for name, size in sizes.items():
        difference = tuned[name].to(base[name].device).sub(base[name]).abs_().reshape(-1).cpu().numpy()
        magnitudes[place : place + size] = difference
        place += size
    kept = max(1, round(keep * len(magnitudes)))
    magnitudes.partition(len(magnitudes) - kept)
    return float(magnitudes[len(magnitudes) - kept])


def elect(tasks: torch.Tensor, thresholds: Sequence[float]) -> torch.Tensor:
    """Return trimmed task vectors (M, …) without the numbers that go against the elected sign, sgn Σ_t τ_t.

    No sign is elected where trimmed vectors cancel exactly, and no number is left there.

    Args:
        tasks: (M, …), one tensor of each task vector.
        thresholds: M, of `trim_threshold`.
    """
    shape = (len(tasks), *[1] * (tasks.ndim - 1))
    limits = torch.tensor(list(thresholds), dtype=tasks.dtype, device=tasks.device).view(shape)
    trimmed = torch.where(tasks.abs() >= limits, tasks, torch.zeros_like(tasks))
    elected = trimmed.sum(0).sign()
    return torch.where(trimmed.sign() == elected, trimmed, torch.zeros_like(trimmed))


def agreeing_mean(tasks: torch.Tensor, thresholds: Sequence[float]) -> torch.Tensor:
    """Return the merged task vector: for each number the mean over the tasks that kept it, 0 where none did.

    Args:
        tasks: (M, …), one tensor of each task vector.
        thresholds: M, of `trim_threshold`.
    """
    kept = elect(tasks, thresholds)
    counts = (kept != 0).sum(0).clamp_(min=1)
    return kept.sum(0) / counts


def agreeing_sum(tasks: torch.Tensor, thresholds: Sequence[float]) -> torch.Tensor:
    """Return the merged task vector: for each number the sum over the tasks that kept it, 0 where none did.

    Args:
        tasks: (M, …), one tensor of each task vector.
        thresholds: M, of `trim_threshold`.
    """
    return elect(tasks, thresholds).sum(0)
