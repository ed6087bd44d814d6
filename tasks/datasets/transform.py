"""open_clip's evaluation transform in two steps: resizing and cropping, then normalisation.

The first step is the slow one and returns bytes, a quarter of the size of the floats that the second one returns: less
to send between processes, to copy to a device and to cache.
"""

from collections.abc import Callable

import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL.Image import Image
from torchvision.transforms import Compose, Normalize, PILToTensor, ToTensor

from tasks.datasets.preprocessing import Preprocessing


def cropping(settings: Preprocessing) -> Callable[[Image], torch.Tensor]:
    """Return open_clip's steps before normalisation: a function from an image to a tensor (3, size, size), uint8."""
    configuration = PreprocessCfg(
        size=settings.size,
        mean=settings.mean,
        std=settings.std,
        interpolation=settings.interpolation,
        resize_mode=settings.resize_mode,
        fill_color=settings.fill,
    )
    *steps, to_tensor, normalize = image_transform_v2(configuration, is_train=False).transforms
    assert isinstance(to_tensor, ToTensor) and isinstance(normalize, Normalize)  # noqa: PT018  else open_clip has changed
    before = [_without_border(settings.border)] if settings.border else []
    transform: Callable[[Image], torch.Tensor] = Compose([*before, *steps, PILToTensor()])
    return transform


def _without_border(border: int) -> Callable[[Image], Image]:
    return lambda image: image.crop((border, border, image.width - border, image.height - border))


def normalized(images: torch.Tensor, settings: Preprocessing) -> torch.Tensor:
    """Return the normalised images that a tower takes; bit for bit those of open_clip.

    Args:
        images: (n, 3, h, w), uint8.
        settings: mean and standard deviation of the channels.

    Returns:
        (n, 3, h, w), float32, on the device of the images.
    """
    mean, std = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (settings.mean, settings.std))
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)
