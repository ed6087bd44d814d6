"""The average of all models' weights, the base included."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tasks.methods.by_tensor import TensorwiseMethod
from tasks.methods.method import Context
from tasks.methods.static_merge import static_merge
from tasks.references.predictions import PredictionsReference

if TYPE_CHECKING:
    import torch

    from tasks.methods.making import State


class WeightAverage(TensorwiseMethod):
    """θ = mean of all models, the base included. Made as a model only where its predictions serve as labels."""

    name = "weight-average"
    title = "Weight average"
    summary = "The mean of all models' weights, the base included."
    version = 2

    def predictions(self, member: str, context: Context) -> PredictionsReference:
        """Return the predictions of the averaged model."""
        count = len(context.outputs)
        return static_merge(context.outputs, (1.0 / count,) * count)

    def merged(
        self, base: "State", tuned: "Sequence[State]", options: Any, device: str = "cpu"
    ) -> "Iterable[tuple[str, torch.Tensor]]":
        """Yield the tensors of Σ_m θ_m / (M + 1), added up where the files are read, whatever the device."""
        from tasks.merging.weighted_sums import weighted_sums

        states = [base, *tuned]
        return weighted_sums(states, [1.0 / len(states)] * len(states))


METHOD = WeightAverage()
