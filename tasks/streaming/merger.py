"""The merged models of one data set, run over batches: one for many samples from a pool, or every sample's own."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from tasks.merging.combination import check_same_layout
from tasks.merging.merged_models import FlatWeights, MergedModels
from tasks.merging.per_sample import PerSample, merge_per_sample
from tasks.models.classifier import build_classifier
from tasks.numerics.checks import Floats
from tasks.references.coefficients import CoefficientsReference
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import MergeReference
from tasks.streaming.devices import device_name
from tasks.streaming.inference import DTYPES, Inference


class Merger:
    """The merged models of one data set.

    Args:
        outputs: of all models that any of the merges uses, the base first.
        states: their tensors, on the device; they become parts of one vector per model.
        inference: runs the models.

    Attributes:
        resident_bytes: memory for merged models on a processor, in bytes.
        resident_fraction: the same on a GPU, as a fraction of its memory.
    """

    resident_bytes = 4 << 30
    resident_fraction = 0.25

    def __init__(
        self, outputs: Sequence[OutputsReference], states: Sequence[dict[str, torch.Tensor]], inference: Inference
    ) -> None:
        check_same_layout(states, [reference.model.name for reference in outputs])
        self._place = {reference.model.digest: i for i, reference in enumerate(outputs)}
        self._first, self._states, self._inference = outputs[0].model, list(states), inference
        self._weights = FlatWeights(self._states, share=True)
        self._per_sample: dict[tuple[int, ...], PerSample] = {}

    @property
    def device(self) -> str:
        """The name of the device that holds the models."""
        return device_name(next(iter(self._states[0].values())).device)

    def prepare(self, merge: MergeReference) -> None:
        """Build the modules of a merge now; else its first batch does, and the time counts as that batch's.

        Args:
            merge: names the models, and whether samples share merged ones.
        """
        if isinstance(merge.source, CoefficientsReference):
            with torch.inference_mode():
                size = self._inference.preprocessing.size
                self._of_samples(merge).prepare((3, size, size))
        else:
            _ = self.merged_models

    def shared(self, merge: MergeReference, images: torch.Tensor, coefficients: Floats) -> Floats:
        """Return the logits (n, classes) of merged models that many samples share.

        Args:
            merge: names the models.
            images: (n, 3, h, w), on the device.
            coefficients: (n, M); equal rows share a merged model.
        """
        spread = np.zeros((len(coefficients), len(self._states)))
        for column, place in enumerate(self._places(merge)):
            spread[:, place] += coefficients[:, column]  # added: two names may stand for one checkpoint
        return run_shared(self._inference, self.merged_models, images, spread)

    def own(self, merge: MergeReference, images: torch.Tensor, coefficients: Floats) -> Floats:
        """Return the logits (n, classes) of every sample's own merged model.

        Args:
            merge: names the models.
            images: (n, 3, h, w), on the device.
            coefficients: (n, M).
        """
        return self._inference.logits(self._of_samples(merge), images, coefficients)

    def _of_samples(self, merge: MergeReference) -> PerSample:
        places = tuple(self._places(merge))
        if places not in self._per_sample:
            dtype = None if self._inference.precision == "fp32" else DTYPES[self._inference.precision]
            states = [self._states[i] for i in places]
            self._per_sample[places] = merge_per_sample(self._skeleton, states, dtype=dtype)
        return self._per_sample[places]

    def _places(self, merge: MergeReference) -> list[int]:
        return [self._place[reference.model.digest] for reference in merge.outputs]

    @cached_property
    def merged_models(self) -> MergedModels:
        """The cache of merged models, which holds as many as fit into the reserved memory."""
        device = next(iter(self._states[0].values())).device
        room = self.resident_bytes
        if device.type == "cuda":
            room = int(torch.cuda.get_device_properties(device).total_memory * self.resident_fraction)
        one = sum(tensor.numel() * tensor.element_size() for tensor in self._states[0].values())
        return MergedModels(self._skeleton, self._weights, max(0, room // one - 1))

    @cached_property
    def _skeleton(self) -> torch.nn.Module:
        device = next(iter(self._states[0].values())).device
        return build_classifier(self._states[0], self._first.url, self._first.architecture, str(device))


def run_shared(inference: Inference, models: MergedModels, images: torch.Tensor, coefficients: Floats) -> Floats:
    """Return the logits (n, classes) of images by the merged models of their coefficients, each model run once.

    Args:
        inference: runs the models.
        models: merges them, and keeps as many as fit.
        images: (n, 3, h, w), on the device.
        coefficients: (n, M).
    """
    distinct, member = np.unique(coefficients, axis=0, return_inverse=True)
    parts, places = [], []
    for i, row in enumerate(distinct):
        mine = np.flatnonzero(member == i)
        chosen = images if len(distinct) == 1 else images[torch.from_numpy(mine).to(images.device)]
        parts.append(inference.logits(models.get(tuple(row.tolist())), chosen))
        places.append(mine)
    logits: Floats = np.concatenate(parts)[np.argsort(np.concatenate(places))]
    return logits
