"""Model Stock: the angle between fine-tuned models sets how far the merged model moves from the base to their average.

The authors published no code, and the paper gives the angle between two models but leaves open how to treat more.
Choices, and those of other toolkits (`python -m benchmarks.method_choices` measures how far apart the merged task
vectors are on the multi-task quickstart):

- More than two models: the mean of the pairs' cosines, as in mergekit. FusionBench averages the pairs' angles: 0.008
  away.
- Negative mean cosine: t = 0, the base; t is kept within [0, 1] throughout. mergekit does not bound t, which is
  negative there and grows without limit where 1 + (N − 1) cos θ is near 0: 0.011 away.
- A task vector that is zero in a tensor has no angle: t = 0, the base's tensor. mergekit counts its cosines as 0.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.methods.by_tensor import TensorwiseMethod
from tasks.methods.method import Paper, Setup

if TYPE_CHECKING:
    import torch

    from tasks.merging.tensorwise import Rule
    from tasks.methods.making import State


class ModelStock(TensorwiseMethod):
    """θ = θ_0 + t · mean_t τ_t, with a t for each tensor."""

    name = "model-stock"
    title = "Model Stock"
    summary = "The base plus a fraction of the mean task vector; the angle between task vectors sets the fraction."
    paper = Paper(
        "Model Stock: All we need is just a few fine-tuned models", "ECCV", 2024, "https://arxiv.org/abs/2403.19522"
    )

    def refusal(self, member: str, setup: Setup) -> str | None:
        """Return why it makes no sense: one model has no angle to another."""
        count = len(setup.models) - 1
        return None if count > 1 else f"needs at least two models beside the base, got {count}"

    def rule(self, base: "State", tuned: "Sequence[State]", options: Any) -> "Rule":
        """Return the rule for one tensor."""
        return lambda tasks, _: model_stock(tasks)


def model_stock(tasks: "torch.Tensor") -> "torch.Tensor":
    """Return the merged task vector t · mean_t τ_t of one tensor, with t = N cos θ / (1 + (N − 1) cos θ) (section 4).

    cos θ is the mean over pairs of task vectors. t is kept within [0, 1], and is 0 where a task vector is zero.

    Args:
        tasks: (N, …), one tensor of each of N ≥ 2 task vectors.

    Raises:
        ValueError: fewer than two task vectors.
    """
    import torch

    count = len(tasks)
    if count < 2:
        raise ValueError(f"model stock: wanted at least 2 tuned models, got {count}")
    flat = tasks.reshape(count, -1).double()
    norms = flat.norm(dim=1)
    if not bool((norms > 0).all()):
        return torch.zeros_like(tasks[0])
    cosines = (flat @ flat.T) / torch.outer(norms, norms)
    cosine = float((cosines.sum() - cosines.diagonal().sum()) / (count * (count - 1)))
    denominator = 1 + (count - 1) * cosine
    t = min(max(count * cosine / denominator, 0.0), 1.0) if denominator > 0 else 0.0
    return tasks.mean(0) * t


METHOD = ModelStock()
