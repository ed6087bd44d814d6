"""The open models and data sets from which a method makes its model. `tasks.model_merging` opens them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import nn

State = Mapping[str, torch.Tensor]
"""A model's tensors by name; reading one may read the checkpoint's file."""


class LookedAt(Protocol):
    """A data set that a method may look at, with the head that scores it."""

    @property
    def name(self) -> str:
        """The data set's name."""

    @property
    def groups(self) -> Sequence[Sequence[int]] | None:
        """For each class the head's classes that it stands for; None: they are the same."""

    def head(self) -> dict[str, torch.Tensor]:
        """Return the data set's own head; empty where the checkpoints hold it."""

    def classifier(self, state: State) -> nn.Module:
        """Return a classifier that uses a state's tensors."""

    def batches(self, size: int, seed: int) -> Iterator[torch.Tensor]:
        """Yield batches of normalised images without end, drawn from the whole data set."""

    def top1_of(self, model: int) -> float:
        """Return the top-1 accuracy of a tuned model by its number, from its stored outputs."""

    def top1(self, state: State) -> float:
        """Return the top-1 accuracy of a state."""


@dataclass(kw_only=True)
class Making:
    """Everything from which a method makes its model.

    Attributes:
        member: of the family, as written after the slash.
        options: the made model's options.
        names: the models' names, the base first.
        base: θ_0.
        tuned: M models of the same layout. An item is opened when it is asked for, perhaps read whole: take it once.
        looks_at: the data sets that the method asked for.
        parameters: returns the names of the tensors that are parameters, and no statistics.
        device: where the arithmetic is done.
        learnt: filled by the method with facts to keep beside the model, such as learnt coefficients.
    """

    member: str
    options: Mapping[str, Any]
    names: tuple[str, ...]
    base: State
    tuned: Sequence[State]
    looks_at: Sequence[LookedAt]
    parameters: Callable[[], frozenset[str]]
    device: str
    learnt: dict[str, Any] = field(default_factory=dict)
