"""A data set that a method looks at to make its model. This file joins storage, models and data sets."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import nn

from storage.schemas import OUTPUTS
from storage.spans import Span
from storage.store import Store
from storage.tables import read_samples
from tasks.datasets.transform import normalized
from tasks.errors import DatasetError
from tasks.models.classifier import build_classifier
from tasks.numerics.checks import Floats
from tasks.opening.load_models import load_head
from tasks.references.datasets import ScoredDataset
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference
from tasks.streaming.images import Images
from tasks.streaming.inference import Inference
from tasks.streaming.reading import Reading


class OpenedDataset:
    """A data set, the head that scores it, and the models' stored outputs on it: see `tasks.methods.making.LookedAt`.

    Args:
        scored: the data set and its head.
        models: the base first.
        store: holds the outputs.
        reading: how images are read for accuracies.
        device: where models run.
    """

    def __init__(
        self, scored: ScoredDataset, models: Sequence[ModelReference], store: Store, reading: Reading, device: str
    ) -> None:
        self.name = scored.dataset.name
        self.groups = scored.dataset.groups
        self._scored, self._models, self._store = scored, models, store
        self._reading, self._device = reading, device

    def head(self) -> dict[str, torch.Tensor]:
        """Return the data set's own head; empty where the checkpoints hold it."""
        return load_head(self._scored, self._store)

    def classifier(self, state: Mapping[str, torch.Tensor]) -> nn.Module:
        """Return a classifier that uses a state's tensors."""
        return build_classifier(state, self.name, self._models[0].architecture, self._device)

    def batches(self, size: int, seed: int) -> Iterator[torch.Tensor]:
        """Yield batches of normalised images without end, drawn from the whole data set."""
        dataset = self._scored.dataset
        images = Images(dataset, Reading(batch_size=size, workers=0), self._device)
        random = np.random.default_rng(seed)

        def shuffled(_span: Span) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
            return random.permutation(dataset.samples)

        while True:
            for batch in images.batches([dataset.whole], shuffled):
                yield normalized(batch.images, dataset.preprocessing)

    @cached_property
    def _images(self) -> Images:
        return Images(self._scored.dataset, self._reading, self._device)

    def top1_of(self, model: int) -> float:
        """Return the top-1 accuracy of a fine-tuned model by its number, from its stored outputs.

        Raises:
            DatasetError: the data set has no labels.
        """
        outputs = OutputsReference(model=self._models[1 + model], scored=self._scored)
        column = read_samples(self._store, outputs.prefix, OUTPUTS[self._scored.logits], ["label_rank"])["label_rank"]
        if column.null_count:
            raise DatasetError(f"data set {self.name}: its images have no labels, which the soup needs")
        ranks: Floats = column.to_numpy()
        return float((ranks == 0).mean())

    def top1(self, state: Mapping[str, torch.Tensor]) -> float:
        """Return the top-1 accuracy of a state on all samples."""
        dataset, images = self._scored.dataset, self._images
        inference = Inference(dataset.preprocessing, self._scored.precision, self._reading.batch_size, dataset.groups)
        module = self.classifier(state)
        right = [
            inference.logits(module, batch.images).argmax(1) == batch.labels for batch in images.batches(dataset.spans)
        ]
        return float(np.concatenate(right).mean())
