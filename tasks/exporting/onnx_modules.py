"""The modules that ONNX graphs are recorded from: a plain classifier, a per-sample merge, and a whole merge by entropy.

The formulas are those of `tasks.numerics.expertise` and `tasks.numerics.entropy` in float32 tensors, and the layers of
a merged model follow `tasks.merging.rules`, as in a run. A module's constants (temperatures, the offset's b and w, the
groups of classes) become constants of its graph.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from tasks.errors import ModelMismatch
from tasks.merging.merged_tensor import MergedTensor
from tasks.merging.per_sample import PerSample
from tasks.numerics.offset import Offset

Groups = Sequence[Sequence[int]]
State = Mapping[str, torch.Tensor]


class PlainGraph(nn.Module):
    """Computes the logits of one classifier: images (n, 3, h, w) to logits (n, classes)."""

    def __init__(self, classifier: nn.Module, groups: Groups | None) -> None:
        super().__init__()
        self.classifier = classifier
        self.projection = Projection(groups)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of images (n, 3, h, w)."""
        logits: torch.Tensor = self.projection(self.classifier(images))
        return logits


class SamplesGraph(nn.Module):
    """Computes the logits of every sample's own merged model, from images and coefficients (n, M).

    Args:
        merged: the per-sample merge, prepared for the images' size. The graph keeps its base and its differences.
        groups: as for `Projection`.
    """

    def __init__(self, merged: PerSample, groups: Groups | None) -> None:
        super().__init__()
        self._merged = [merged]  # in a list, so that torch does not register it as a submodule
        self.base, self.projection = Tensors(bases(merged)), Projection(groups)
        models = next(len(t.differences) for t in merged.tensors.values() if isinstance(t, MergedTensor))
        self.differences = nn.ModuleList(Tensors(differences(merged, i)) for i in range(models))

    def forward(self, images: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) of images (n, 3, h, w) merged by coefficients (n, M), the base's first."""
        parts = [tensors.by_name() for tensors in self.differences if isinstance(tensors, Tensors)]
        outputs = merged_outputs(self._merged[0], images, coefficients, self.base.by_name(), parts)
        logits: torch.Tensor = self.projection(outputs)
        return logits


class WholeGraph(nn.Module):
    """Computes every step from images to merged logits: each model's entropy, the coefficients, and the merge.

    Args:
        merged: the per-sample merge of the states, prepared for the images' size.
        states: M states, the base's first. The graph keeps them, and takes the differences itself.
        temperatures: of each model that is asked for its entropy: all M, or with a scale those after the base.
        offset: b and w of two models' coefficients; None: without an offset.
        groups: as for `Projection`.
        scale: s of the task vectors, with which the base is not asked; None: models are interpolated.
    """

    def __init__(
        self,
        merged: PerSample,
        states: Sequence[State],
        *,
        temperatures: Sequence[float],
        offset: Offset | None,
        groups: Groups | None,
        scale: float | None,
    ) -> None:
        super().__init__()
        self._merged = [merged]  # in a list, as in `SamplesGraph`
        self.states, self.projection = nn.ModuleList(Tensors(state) for state in states), Projection(groups)
        self._temperatures, self._offset, self._scale = tuple(temperatures), offset, scale

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return merged logits (n, classes), coefficients (n, M) and entropies of the models that are asked, nats."""
        merged = self._merged[0]
        states = [state.by_name() for state in self.states if isinstance(state, Tensors)]
        asked = states if self._scale is None else states[1:]
        entropies = torch.stack(
            [
                entropy(self.projection(functional_call(merged.hollow, state, (images,), tie_weights=False)), t)
                for state, t in zip(asked, self._temperatures, strict=True)
            ],
            dim=1,
        )
        coefficients = expertise_coefficients(entropies, self._offset)
        if self._scale is not None:
            scaled = self._scale * len(asked) * coefficients
            coefficients = torch.cat([1 - scaled.sum(1, keepdim=True), scaled], dim=1)
        merging = {name for name, tensor in merged.tensors.items() if isinstance(tensor, MergedTensor)}
        parts = [{name: state[name] - states[0][name] for name in merging} for state in states[1:]]
        outputs = merged_outputs(merged, images, coefficients, states[0], parts)
        return self.projection(outputs), coefficients, entropies


class Projection(nn.Module):
    """Projects logits of a head's classes to those of a data set: the maximum over each group of classes.

    Args:
        groups: for each class of the data set the head's classes that it stands for; None: they are the same.
    """

    index: torch.Tensor | None

    def __init__(self, groups: Groups | None) -> None:
        super().__init__()
        index = None
        if groups is not None:
            longest = max(len(group) for group in groups)  # shorter groups repeat a class, which changes no maximum
            index = torch.tensor([[*group, *[group[0]] * (longest - len(group))] for group in groups])
        self.register_buffer("index", index, persistent=False)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes of the data set) of logits (n, classes of the head)."""
        return logits if self.index is None else logits[:, self.index].amax(2)


class Tensors(nn.Module):
    """Holds tensors under their dotted names, so that a graph's weights have the names of the checkpoint."""

    def __init__(self, tensors: State) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            *path, own = name.split(".")
            place: nn.Module = self
            for part in path:
                if part not in dict(place.named_children()):
                    place.add_module(part, nn.Module())
                place = place.get_submodule(part)
            place.register_buffer(own, tensor.detach())

    def by_name(self) -> dict[str, torch.Tensor]:
        """Return the tensors by their names."""
        return dict(self.named_buffers(remove_duplicate=False))


def bases(merged: PerSample) -> dict[str, torch.Tensor]:
    """Return the base's tensors of a per-sample merge."""
    return {name: t.base if isinstance(t, MergedTensor) else t for name, t in merged.tensors.items()}


def differences(merged: PerSample, model: int) -> dict[str, torch.Tensor]:
    """Return the differences of one of the models after the base, for every tensor that is merged."""
    found = merged.tensors.items()
    return {name: t.differences[model] for name, t in found if isinstance(t, MergedTensor)}


def merged_outputs(
    merged: PerSample, images: torch.Tensor, coefficients: torch.Tensor, base: State, parts: Sequence[State]
) -> torch.Tensor:
    """Return the outputs (n, …) of a per-sample merge whose tensors are inputs of the graph.

    Args:
        merged: the merge, whose own tensors say which ones are merged.
        images: (n, 3, h, w).
        coefficients: (n, M), the base's first.
        base: the base's tensors.
        parts: the differences of each model after the base.
    """
    tensors = {
        name: MergedTensor.make(base[name], [part[name] for part in parts], [1.0] * len(parts), name, t.shared)
        if isinstance(t, MergedTensor)
        else base[name]
        for name, t in merged.tensors.items()
    }
    return merged.run(images, coefficients.unbind(1)[1:], tensors)


def entropy(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the entropies (n,) ≥ 0 of softmax(z / T), nats, as `tasks.numerics.entropy.softmax_entropy`."""
    log_p = functional.log_softmax(logits / temperature, dim=1)
    return (-(log_p.exp() * log_p).sum(1)).clamp_min(0.0)  # finite logits have finite log_p, and 0 · log_p is 0


def expertise_coefficients(entropies: torch.Tensor, offset: Offset | None) -> torch.Tensor:
    """Return coefficients (n, M) of entropies (n, M), as `tasks.numerics.expertise.model_coefficients`."""
    if entropies.shape[1] != 2:
        return functional.softmax(-entropies, dim=1)
    base, tuned = entropies.unbind(1)
    b, w = offset or Offset(0.0, 1.0)
    if b == 0:
        tuned_part = torch.sigmoid(base - tuned)
    else:
        base_expertise, tuned_expertise = torch.exp(-base), torch.exp(-tuned)
        ratio = (tuned_expertise + b / w) / (base_expertise + tuned_expertise + b)
        tuned_part = ratio.clamp(0.0, 1.0)
    return torch.stack([1 - tuned_part, tuned_part], dim=1)


def check_groups(groups: Groups | None, classes: int) -> None:
    """Raise `ModelMismatch` unless every group is a group of a head's classes."""
    if groups is None:
        return
    wrong = [list(group) for group in groups if not group or not all(0 <= i < classes for i in group)]
    if wrong or not groups:
        got = wrong[0] if wrong else "none"
        raise ModelMismatch(f"groups: wanted groups of the head's classes, 0 to {classes - 1}, got {got}")
