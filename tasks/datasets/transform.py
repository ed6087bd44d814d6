"""From an image file to what the tower takes: open_clip's own evaluation transform."""

from collections.abc import Callable

import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image

from tasks.datasets.preprocessing import Preprocessing


def image_transform(settings: Preprocessing) -> Callable[[Image], torch.Tensor]:
    """Return the function from a picture to a tensor (3, size, size), float32; identical to open_clip's."""
    configuration = PreprocessCfg(
        size=settings.size, mean=settings.mean, std=settings.std, interpolation=settings.interpolation
    )
    transform: Callable[[Image], torch.Tensor] = image_transform_v2(configuration, is_train=False)
    return transform
