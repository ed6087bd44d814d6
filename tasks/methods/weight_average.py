"""The average of all models' weights, the base included."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tasks.methods.by_tensor import TensorwiseMethod
from tasks.methods.method import Context
from tasks.methods.static_merge import static_merge
from tasks.references.predictions import PredictionsReference

if TYPE_CHECKING:
    import torch

    from tasks.merging.tensorwise import Rule
    from tasks.methods.making import State


class WeightAverage(TensorwiseMethod):
    """θ = mean of all models, the base included. Made as a model only where its predictions serve as labels."""

    name = "weight-average"
    title = "Weight average"
    summary = "The mean of all models' weights, the base included."

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the averaged model."""
        count = len(context.outputs)
        return static_merge(context.outputs, (1.0 / count,) * count)

    def rule(self, base: "State", tuned: "Sequence[State]", options: Any) -> "Rule":
        """Return the rule Σ_t τ_t / (M + 1): the base counts as a task vector of zeros."""
        return _average


def _average(tasks: "torch.Tensor", _noises: Iterable[float]) -> "torch.Tensor":
    return tasks.sum(0) / (len(tasks) + 1)


METHOD = WeightAverage()
