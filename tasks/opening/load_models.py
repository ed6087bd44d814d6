"""From references to the tensors of models and heads. This file joins storage and models."""

from collections.abc import Iterable

import torch

from storage.blobs import read_blob_as_file
from storage.store import Store
from tasks.models.checkpoint import PROJECTION, read_checkpoint, read_head
from tasks.models.files.safetensors_file import SafetensorsFile
from tasks.opening.make_heads import text_head
from tasks.opening.verified_files import load_file
from tasks.references.datasets import ScoredDataset
from tasks.references.heads import TextHeadReference
from tasks.references.outputs import OutputsReference


def load_states(
    outputs: Iterable[OutputsReference], store: Store, device: str
) -> dict[OutputsReference, dict[str, torch.Tensor]]:
    """Return the tensors of models, with the heads that score their data sets, on a device.

    Raises:
        CheckpointError: see `load_state`.
    """
    return {o: {name: tensor.to(device) for name, tensor in load_state(o, store).items()} for o in outputs}


def load_state(outputs: OutputsReference, store: Store) -> dict[str, torch.Tensor]:
    """Return the tensors of a model with the head that scores its data set, float32, on the CPU.

    A head of class names is made if the store has none yet.

    Raises:
        CheckpointError: a file changed since the run began; its numbers would be stored as those of another file.
    """
    if outputs.model.made:
        state = read_blob_as_file(store, outputs.model.made.key, lambda file: SafetensorsFile(file).views())
    else:
        state = load_file(outputs.model, read_checkpoint)
    if outputs.model.projection:
        state[PROJECTION] = load_file(outputs.model.projection, read_checkpoint)[PROJECTION]
    return state | load_head(outputs.scored, store)


def load_head(scored: ScoredDataset, store: Store) -> dict[str, torch.Tensor]:
    """Return the tensors of a data set's own head; empty where the checkpoints hold it.

    Raises:
        CheckpointError: the file changed since the run began.
    """
    if isinstance(scored.head, TextHeadReference):
        return text_head(scored.head, store)
    return load_file(scored.head, read_head) if scored.head else {}
