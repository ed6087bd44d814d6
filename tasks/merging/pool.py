"""Merged models on demand, in a bounded number of places."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from tasks.merging.combination import State, check_same_layout


class FlatWeights:
    """The numbers of M models of one layout, each model's in one vector: a merge is then M operations, not M a tensor.

    Args:
        states: the M models; their tensors are copied, so that the states can go.
        share: make the states' tensors pieces of the vectors, so that their own memory can go model by model.

    Raises:
        ModelMismatch: the states differ in names, shapes or dtypes.
    """

    def __init__(self, states: Sequence[State], *, share: bool = False) -> None:
        check_same_layout(states)
        self.names = [name for name, tensor in states[0].items() if tensor.is_floating_point()]
        self.vectors: list[torch.Tensor] = []
        for state in states:
            vector = torch.cat([state[name].reshape(-1) for name in self.names])
            self.vectors.append(vector)
            if share and isinstance(state, dict):
                state.update(self._pieces(vector, state))

    def empty_model(self, module: nn.Module) -> tuple[nn.Module, torch.Tensor]:
        """Return a copy of a module whose floating-point tensors are pieces of one vector, and that vector.

        Its other tensors (counters, such as BatchNorm's number of batches) stay the module's: they have no
        meaningful sum.
        """
        made = copy.deepcopy(module).eval().requires_grad_(False)
        vector = torch.empty_like(self.vectors[0])
        made.load_state_dict(self._pieces(vector, made.state_dict()), assign=True, strict=False)
        return made.requires_grad_(False), vector

    def _pieces(self, vector: torch.Tensor, like: State) -> dict[str, torch.Tensor]:
        place, pieces = 0, {}
        for name in self.names:
            shape = like[name].shape
            pieces[name] = vector[place : place + shape.numel()].view(shape)
            place += shape.numel()
        return pieces

    @torch.no_grad()
    def merge(self, coefficients: Sequence[float], out: torch.Tensor) -> None:
        """Write Σ_m c_m θ_m; a model of coefficient 0 is not read, as in `combine`, whose sums these are to the bit."""
        terms = [(c, vector) for c, vector in zip(coefficients, self.vectors, strict=True) if c != 0]
        if not terms:
            out.zero_()
            return
        torch.mul(terms[0][1], terms[0][0], out=out)
        for coefficient, vector in terms[1:]:
            out.add_(vector, alpha=coefficient)


class MergedModels:
    """Gives the merged model of a coefficient vector.

    The first models that are asked for stay, as many as there are places; all others take turns in one more place.
    So in a pass that asks for the same models block by block, those that stay are merged once and never again, where
    to forget the least recently used would be to forget each one just before its turn.

    Args:
        module: a model of the weights' layout; a copy is made for each place when it is needed.
        weights: of the M models to merge.
        places: how many merged models stay.

    Attributes:
        merges: how many merges were made.
    """

    def __init__(self, module: nn.Module, weights: FlatWeights, places: int) -> None:
        if places < 0:
            raise ValueError(f"places: wanted at least 0, got {places}")
        self._module, self._weights, self._places = module, weights, places
        self._staying: dict[tuple[float, ...], nn.Module] = {}
        self._passing: tuple[nn.Module, torch.Tensor] | None = None
        self._passing_is: tuple[float, ...] | None = None
        self.merges = 0

    def get(self, coefficients: tuple[float, ...]) -> nn.Module:
        """Return the model Σ_m c_m θ_m. It is valid until another one is asked for."""
        if coefficients in self._staying:
            return self._staying[coefficients]
        if len(self._staying) < self._places:
            model, vector = self._weights.empty_model(self._module)
            self._merge(coefficients, vector)
            self._staying[coefficients] = model
            return model
        self._passing = self._passing or self._weights.empty_model(self._module)
        if self._passing_is != coefficients:
            self._merge(coefficients, self._passing[1])
            self._passing_is = coefficients
        return self._passing[0]

    def _merge(self, coefficients: tuple[float, ...], vector: torch.Tensor) -> None:
        self._weights.merge(coefficients, vector)
        self.merges += 1
