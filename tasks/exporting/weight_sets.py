"""Weights to export: a model, or the sum Σ_m c_m θ_m of several, with the head that scores a data set.

This module joins storage and models.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from storage.blobs import read_blob_as_file
from storage.store import Store
from tasks.merging.views import outline
from tasks.merging.weighted_sums import weighted_sums
from tasks.models.checkpoint import HEAD
from tasks.models.files.safetensors_file import SafetensorsFile
from tasks.opening.load_models import load_head
from tasks.opening.opened_models import OpenedModels
from tasks.references.datasets import ScoredDataset
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference

State = Mapping[str, torch.Tensor]

CHECKPOINT = "checkpoint.safetensors"
"""Name of a file in our own form."""


@dataclass(frozen=True, kw_only=True)
class WeightSet:
    """Weights by reference."""

    folder: str
    """Below the exported folder; empty: that folder itself."""
    outputs: tuple[OutputsReference, ...]
    """Of the models that are merged, on the data set whose head they get."""
    coefficients: tuple[float, ...]
    """c_m of each model."""

    @property
    def checkpoint(self) -> str:
        """The path of the file in our own form, below the exported folder."""
        return f"{self.folder}/{CHECKPOINT}" if self.folder else CHECKPOINT


class MergedWeights:
    """The models of weight sets, opened, and their sums.

    Args:
        store: holds the made models, and heads made of class names.
        files: keeps checkpoints open. When it closes, it refuses those that changed while they were read.
        with_head: whether weights get a head.
    """

    def __init__(self, store: Store, files: ExitStack, *, with_head: bool) -> None:
        self._store, self._files, self._with_head = store, files, with_head
        self._opened: dict[str, State] = {}
        self._heads: dict[ScoredDataset, State] = {}

    def outline(self, weights: WeightSet) -> State:
        """Return tensors of the names, shapes and types that the weights have, without numbers."""
        return outline(self._state(weights.outputs[0]))

    def tensors(self, weights: WeightSet) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the tensors of weights by name, with the numbers that an evaluation of the merge has.

        One tensor of each model is in memory at a time, where the files allow it.

        Raises:
            CheckpointError: a checkpoint changed since it was planned.
            StorageError: a made model cannot be read from the store.
        """
        terms = dict[str, tuple[OutputsReference, float]]()
        for one, coefficient in zip(weights.outputs, weights.coefficients, strict=True):
            before = terms.pop(one.model.digest, (one, 0.0))[1]  # two names may stand for one checkpoint
            terms[one.model.digest] = (one, before + coefficient)
        states = [self._state(one) for one, _ in terms.values()]
        return weighted_sums(states, [coefficient for _, coefficient in terms.values()])

    def _state(self, outputs: OutputsReference) -> State:
        return Headed(self._model(outputs.model), self._head(outputs.scored))

    def _model(self, model: ModelReference) -> State:
        if model.made:
            return read_blob_as_file(self._store, model.made.key, lambda file: SafetensorsFile(file).views())
        state: State = OpenedModels([model], self._files, self._opened)[0]
        return state

    def _head(self, scored: ScoredDataset) -> State | None:
        if not self._with_head:
            return {}
        if scored.head is None:
            return None
        if scored not in self._heads:
            self._heads[scored] = load_head(scored, self._store)
        return self._heads[scored]


class Headed(Mapping[str, torch.Tensor]):
    """A state with another head.

    Args:
        state: a tower, and perhaps a head; an item may read a file.
        head: its tensors, none to leave the head out; None: the state's own.
    """

    def __init__(self, state: State, head: State | None) -> None:
        self._state, self._head = state, head

    def __getitem__(self, name: str) -> torch.Tensor:
        if self._head is None or name not in HEAD:
            return self._state[name]
        return self._head[name]

    def __iter__(self) -> Iterator[str]:
        if self._head is None:
            return iter(self._state)
        return iter([name for name in self._state if name not in HEAD] + list(self._head))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def views(self) -> "Headed":
        """The same tensors to look at: see `tasks.merging.views.view`."""
        return Headed(getattr(self._state, "views", self._state), self._head)

    def outline(self) -> dict[str, torch.Tensor]:
        """Return tensors of the same names, shapes and types, perhaps without numbers."""
        own = outline(self._state)
        return {name: (own if self._head is None or name not in HEAD else self._head)[name] for name in self}
