"""From an image file to what the tower takes: open_clip's own evaluation transform, in two steps.

The first, decoding, resizing and cropping, is the slow one and ends in bytes: four times less to send between
processes, to put on a device or to keep than what the second, the normalisation, makes of them.
"""

from collections.abc import Callable

import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torchvision.transforms import Compose, Normalize, PILToTensor, ToTensor

from tasks.datasets.preprocessing import Preprocessing


def cropping(settings: Preprocessing) -> Callable[[Image], torch.Tensor]:
    """Return the function from a picture to a tensor (3, size, size), uint8: open_clip's steps before normalisation."""
    configuration = PreprocessCfg(
        size=settings.size,
        mean=settings.mean,
        std=settings.std,
        interpolation=settings.interpolation,
        resize_mode=settings.resize_mode,
        fill_color=settings.fill,
    )
    *steps, to_tensor, normalize = image_transform_v2(configuration, is_train=False).transforms
    assert isinstance(to_tensor, ToTensor) and isinstance(normalize, Normalize)  # noqa: PT018  open_clip changed else
    before = [_without_border(settings.border)] if settings.border else []
    transform: Callable[[Image], torch.Tensor] = Compose([*before, *steps, PILToTensor()])
    return transform


def _without_border(border: int) -> Callable[[Image], Image]:
    return lambda image: image.crop((border, border, image.width - border, image.height - border))


def normalized(images: torch.Tensor, settings: Preprocessing) -> torch.Tensor:
    """Return images (n, 3, h, w) of bytes as the tower takes them, float32: open_clip's result to the bit."""
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (settings.mean, settings.std))
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)
