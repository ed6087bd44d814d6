"""From batches of images to logits, in a given precision."""

import numpy as np
import torch
from torch import nn

from tasks.numerics.checks import Floats
from tasks.references import Precision

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.inference_mode()
def logits_of(module: nn.Module, images: torch.Tensor, precision: Precision) -> Floats:
    """Return a module's logits (n, classes) for images on its device; computed in `precision`, handed over as float64.

    Raises:
        ValueError: the logits are not finite: numbers that large do not fit `precision`, or the images are not images.
    """
    kind = images.device.type
    with torch.autocast(kind, dtype=_DTYPES[precision], enabled=precision != "fp32"):
        logits: torch.Tensor = module(images)
    values = logits.float().cpu().numpy().astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"logits: not finite in {precision}; a wider precision may help")
    return values
