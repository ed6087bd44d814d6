"""TIES-Merging: trim task vectors, elect signs, average the numbers that agree.

The paper leaves choices open, and other code differs. `python -m benchmarks.method_choices` measures how far apart the
merged task vectors are on the multi-task quickstart:

- Number of numbers kept: round(k·d) of the whole task vector. The authors' release keeps int(k·d) + 1: where both are
  the same number, the merged vectors agree to 1e-7; one number more for each task makes 0.002 on the quickstart.
- Exact cancellation, Σ_t τ_t = 0 with some τ_t ≠ 0: the paper's formula elects no sign, and the merged number is 0. The
  release elects the sign of the sum of all elected signs, mergekit a positive one. Trained models seldom cancel to the
  last bit.
- The numbers that agree: their mean, as in the paper; AdaMerging's release adds them up (`combine: sum`), with 0.3 as
  the scale.
- Trimming: over the whole task vector, as in the paper. mergekit trims tensor by tensor: 0.31 away.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tasks.methods.by_tensor import TensorwiseMethod
from tasks.methods.method import MethodOptions, Paper
from tasks.methods.static_merge import SCALES

if TYPE_CHECKING:
    import torch

    from tasks.methods.making import State


class TiesOptions(MethodOptions):
    """Options of TIES."""

    keep: float = Field(default=0.2, gt=0, le=1)
    """Fraction of each task vector's numbers that trimming keeps, the largest magnitudes."""
    combine: Literal["mean", "sum"] = "mean"
    """How the numbers that agree with the elected sign become one: their mean, or their sum."""


class Ties(TensorwiseMethod):
    """θ = θ_0 + s · (mean, or sum, over the tasks that agree with the elected sign): `ties/<scale>`."""

    name = "ties"
    title = "TIES-Merging"
    summary = "Task vectors are trimmed, a sign is elected for each number, and the numbers that agree are averaged."
    paper = Paper(
        "TIES-Merging: Resolving Interference When Merging Models", "NeurIPS", 2023, "https://arxiv.org/abs/2306.01708"
    )
    options = TiesOptions
    scales = SCALES

    def merged(
        self, base: "State", tuned: "Sequence[State]", options: TiesOptions, device: str = "cpu"
    ) -> "Iterable[tuple[str, torch.Tensor]]":
        """Yield the tensors of θ_0 and the merged task vector, on a processor whatever the device."""
        from tasks.merging.sign_election import merged_by_signs

        return merged_by_signs(base, tuned, options.keep, mean=options.combine == "mean")


METHOD = Ties()
