"""Checkpoints opened for a merge, each when it is asked for and read tensor by tensor where its file allows it.

This module joins storage and models.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch

from tasks.models.checkpoint import PROJECTION, read_checkpoint
from tasks.models.lazy_state import open_state
from tasks.opening.verified_files import load_file, verified
from tasks.references.models import ModelReference


class OpenedModels(Sequence[Mapping[str, torch.Tensor]]):
    """Models that are opened when they are asked for.

    A file that can be read tensor by tensor stays open until `files` closes. A file that must be read whole is read
    at each request, so that a method which takes one model at a time has one in memory.

    Args:
        models: in order.
        files: keeps files open. When it closes, it refuses checkpoints that changed while they were read.
        opened: states that stay open, by the file's digest.
    """

    def __init__(
        self,
        models: Sequence[ModelReference],
        files: ExitStack,
        opened: dict[str, Mapping[str, torch.Tensor]] | None = None,
    ) -> None:
        self._models, self._files = models, files
        self._opened = {} if opened is None else opened

    @property
    def tuned(self) -> "OpenedModels":
        """The models after the base."""
        return OpenedModels(self._models[1:], self._files, self._opened)

    def __len__(self) -> int:
        return len(self._models)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401  a number; see Sequence
        model = self._models[index]
        if model.digest in self._opened:
            return self._opened[model.digest]
        if model.projection:
            whole = load_file(model, read_checkpoint)
            return {**whole, PROJECTION: load_file(model.projection, read_checkpoint)[PROJECTION]}
        with ExitStack() as file:
            content, path = file.enter_context(verified(model))
            state = open_state(content, model.url, path)
            if not isinstance(state, dict):  # read lazily: the file must stay open
                self._files.enter_context(file.pop_all())
                self._opened[model.digest] = state
        return state
