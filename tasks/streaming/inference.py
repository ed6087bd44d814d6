"""From batches of decoded images to logits, in a given precision."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from tasks.datasets.label_spaces import project
from tasks.datasets.preprocessing import Preprocessing
from tasks.datasets.transform import normalized
from tasks.numerics.checks import Floats
from tasks.references.datasets import Precision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

log = logging.getLogger("dawin.inference")


class Inference:
    """Runs modules over images.

    Args:
        preprocessing: how the images are normalised.
        precision: of the modules' arithmetic.
        batch_size: images per call; halved for good when the device runs out of memory.
        groups: for each class of the data set the head's classes that it stands for; None: they are the same.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        precision: Precision,
        batch_size: int,
        groups: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.precision, self.groups, self.preprocessing = precision, groups, preprocessing
        self._batch_size = batch_size

    @torch.inference_mode()
    def logits(self, module: nn.Module, images: torch.Tensor, coefficients: Floats | None = None) -> Floats:
        """Return a module's logits (n, classes) of the data set's classes, as float64.

        Args:
            module: called with images, or with images and coefficients.
            images: (n, 3, h, w), bytes, on the module's device.
            coefficients: (n, M), for a per-sample merged model.

        Raises:
            ValueError: the logits are not finite: they are too large for the precision, or the images hold values that
                the model cannot take.
            torch.OutOfMemoryError: the device cannot hold a single image.
        """
        merged = None if coefficients is None else torch.from_numpy(np.ascontiguousarray(coefficients))
        parts, start = [], 0
        while start < len(images):
            piece = slice(start, start + self._batch_size)
            try:
                parts.append(self._run(module, images[piece], None if merged is None else merged[piece]))
            except torch.OutOfMemoryError:
                if self._batch_size == 1:
                    raise
                self._halve(min(self._batch_size, len(images) - start))
            else:
                start = piece.stop
        values: Floats = np.concatenate(parts).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"logits: not finite in {self.precision}; a wider precision may help")
        return values if self.groups is None else project(values, self.groups)

    def _run(self, module: nn.Module, images: torch.Tensor, coefficients: torch.Tensor | None) -> Floats:
        prepared = normalized(images, self.preprocessing)
        dtype = DTYPES[self.precision]
        with torch.autocast(images.device.type, dtype=dtype, enabled=self.precision != "fp32"):
            logits: torch.Tensor = module(prepared) if coefficients is None else module(prepared, coefficients)
        values: Floats = logits.float().cpu().numpy()
        return values

    def _halve(self, tried: int) -> None:
        self._batch_size = max(1, tried // 2)
        log.warning("out of memory with %d images per call; continuing with %d", tried, self._batch_size)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
