"""Merged models on demand, of which a bounded number stays in memory."""

import copy
from collections.abc import Sequence
from functools import reduce

import torch
from torch import nn

from tasks.merging.combination import State, check_same_layout, weighted_sum
from tasks.merging.large_vectors import large_vector


class FlatWeights:
    """The floating-point tensors of M models, each model in one vector, so that a merge is M operations in all.

    Args:
        states: the M models' states; their tensors are copied.
        share: whether to replace the tensors in each state by views of its vector as soon as that is made, so that at
            most one model is in memory twice.

    Attributes:
        names: the names of the tensors, in the order in which they lie in a vector.
        vectors: M tensors (parameters,), one for each model.

    Raises:
        ModelMismatch: the states differ in names, shapes or dtypes.
    """

    def __init__(self, states: Sequence[State], *, share: bool = False) -> None:
        check_same_layout(states)
        self.names = [name for name, tensor in states[0].items() if tensor.is_floating_point()]
        self.vectors: list[torch.Tensor] = []
        floating = [states[0][name] for name in self.names]
        size, dtype = sum(map(torch.Tensor.numel, floating)), reduce(torch.promote_types, [t.dtype for t in floating])
        for state in states:
            vector = large_vector(size, dtype, state[self.names[0]].device)
            pieces = self._pieces(vector, state)
            for name, piece in pieces.items():
                piece.copy_(state[name])
            self.vectors.append(vector)
            if share and isinstance(state, dict):
                state.update(pieces)

    def empty_model(self, module: nn.Module) -> tuple[nn.Module, torch.Tensor]:
        """Return a copy of a module whose floating-point tensors are views of one new vector, and that vector.

        Integer tensors (counters, such as BatchNorm's number of batches) keep the module's values.

        Args:
            module: a model with the layout of the states.

        Returns:
            The copy, in evaluation mode and without gradients, and its vector (parameters,), not initialised.
        """
        made = copy.deepcopy(module).eval().requires_grad_(False)
        vector = large_vector(len(self.vectors[0]), self.vectors[0].dtype, self.vectors[0].device)
        made.load_state_dict(self._pieces(vector, made.state_dict()), assign=True, strict=False)
        return made.requires_grad_(False), vector

    def _pieces(self, vector: torch.Tensor, like: State) -> dict[str, torch.Tensor]:
        """Return the views of a vector that have the shapes of a state's tensors, by name."""
        place, pieces = 0, {}
        for name in self.names:
            shape = like[name].shape
            pieces[name] = vector[place : place + shape.numel()].view(shape)
            place += shape.numel()
        return pieces

    def merge(self, coefficients: Sequence[float], out: torch.Tensor) -> None:
        """Write Σ_m c_m θ_m into a vector, with exactly the numbers of `combine`.

        Args:
            coefficients: M numbers; a model of coefficient 0 is not read.
            out: (parameters,) vector of `empty_model`.
        """
        weighted_sum(out, [(c, vector) for c, vector in zip(coefficients, self.vectors, strict=True) if c != 0])


class MergedModels:
    """A cache from coefficients to merged models.

    It keeps the first `places` models that are requested, and merges all others into one more place in turn. A pass
    that requests the same models for each block of samples thus merges the kept ones once. A cache that drops the least
    recently used model would drop each model just before its next request.

    Args:
        module: a model with the layout of the weights, copied for each place on its first use.
        weights: the weights of the M models to merge.
        places: number of merged models to keep, at least 0.

    Attributes:
        merges: number of merges so far.

    Raises:
        ValueError: `places` is negative.
    """

    def __init__(self, module: nn.Module, weights: FlatWeights, places: int) -> None:
        if places < 0:
            raise ValueError(f"places: wanted at least 0, got {places}")
        self._module, self._weights, self._places = module, weights, places
        self._kept: dict[tuple[float, ...], nn.Module] = {}
        self._passing: tuple[nn.Module, torch.Tensor] | None = None
        self._passing_coefficients: tuple[float, ...] | None = None
        self.merges = 0

    def get(self, coefficients: tuple[float, ...]) -> nn.Module:
        """Return the merged model Σ_m c_m θ_m, which stays valid until the next request.

        Args:
            coefficients: M numbers.
        """
        if coefficients in self._kept:
            return self._kept[coefficients]
        if len(self._kept) < self._places:
            model, vector = self._weights.empty_model(self._module)
            self._merge(coefficients, vector)
            self._kept[coefficients] = model
            return model
        self._passing = self._passing or self._weights.empty_model(self._module)
        if self._passing_coefficients != coefficients:
            self._merge(coefficients, self._passing[1])
            self._passing_coefficients = coefficients
        return self._passing[0]

    def _merge(self, coefficients: tuple[float, ...], vector: torch.Tensor) -> None:
        self._weights.merge(coefficients, vector)
        self.merges += 1
