"""TIES: trim task vectors, elect signs, average the numbers that agree (Yadav et al., NeurIPS 2023, section 3).

Where the paper leaves a choice, or other code differs (`python -m benchmarks.method_choices` measures how far apart the
merged task vectors come out, on the multi-task quickstart):

- How many numbers stay: round(k·d) of the whole task vector. The authors' release keeps int(k·d) + 1.
- Exact cancellation, Σ_t τ_t = 0 where some τ_t is not: no sign is elected, sgn 0, and the merged number is 0, as the
  paper's formula says. The release takes the sign of the sum of all elected signs instead, mergekit a positive one.
  Cancellation to the last bit is rare in trained models. With both choices the release is 1e-7 away: rounding.
- Trimming: over the whole task vector, as in the paper. mergekit trims tensor by tensor: 0.29 away.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tasks.merging.combination import State


def trim_threshold(base: State, tuned: State, keep: float) -> float:
    """Return the magnitude that the largest share `keep` of a task vector's numbers reach; one vector in memory.

    Args:
        base: θ_0, tensor by tensor.
        tuned: θ_t.
        keep: share in (0, 1].

    Raises:
        ValueError: `keep` is out of range.
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep: wanted a share above 0 and at most 1, got {keep}")
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
    """Return task vectors trimmed, and freed of what goes against the elected sign, sgn Σ_t τ_t.

    Where trimmed vectors cancel out exactly no sign is elected, and nothing is left.

    Args:
        tasks: (M, …) one tensor of each task vector.
        thresholds: M, of `trim_threshold`.
    """
    shape = (len(tasks), *[1] * (tasks.ndim - 1))
    limits = torch.tensor(list(thresholds), dtype=tasks.dtype, device=tasks.device).view(shape)
    trimmed = torch.where(tasks.abs() >= limits, tasks, torch.zeros_like(tasks))
    elected = trimmed.sum(0).sign()
    return torch.where(trimmed.sign() == elected, trimmed, torch.zeros_like(trimmed))


def ties(tasks: torch.Tensor, thresholds: Sequence[float]) -> torch.Tensor:
    """Return the merged task vector: of each number the mean over the tasks that kept it, 0 where none did."""
    kept = elect(tasks, thresholds)
    counts = (kept != 0).sum(0).clamp_(min=1)
    return kept.sum(0) / counts


def outline(state: State) -> Mapping[str, torch.Tensor]:
    """Return a state's tensors by name, without numbers where reading them would cost something."""
    told = getattr(state, "outline", None)
    return told() if told else state
