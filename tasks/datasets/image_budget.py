"""Limits on the pixels of an image, checked by its header before it is decoded."""

import warnings
from threading import Lock

from PIL import Image

from tasks.datasets.preprocessing import Preprocessing

MOST_PIXELS = 89_478_485  # of an image, and of the resized image before it is cropped; Pillow's own limit
# the formats of the suffixes of image files; Pillow would run other programs for some others, such as EPS
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_LARGE = 2**24  # pixels; larger images are decoded one at a time, whatever the number of threads
_MOST_SCANS = 200  # of a JPEG, each of which decodes all pixels again; ten are usual
_START_OF_SCAN = b"\xff\xda"

large_images = Lock()
"""Held while a large image is decoded."""

# Pillow warns above MOST_PIXELS and refuses only twice as many; a warning alone would stop nothing
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def check_encoded(content: bytes) -> None:
    """Raise `ValueError` if an encoded image is too large already to be opened, or is a JPEG of too many scans."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        check_pixels(*_webp_size(content))  # the library allocates all pixels before it reports the size
    elif content[:2] == b"\xff\xd8" and content.count(_START_OF_SCAN) > _MOST_SCANS:
        raise ValueError(f"{content.count(_START_OF_SCAN)} scans of a JPEG, wanted at most {_MOST_SCANS}")


def check_opened(image: Image.Image, settings: Preprocessing) -> None:
    """Raise `ValueError` if an opened image has too many pixels, or is so narrow that resizing makes too many."""
    width, height = image.size
    check_pixels(width, height)
    tags = getattr(image, "tag_v2", {})
    tile = [tags.get(name, 1) for name in (322, 323)]  # width and height of a TIFF's tiles: each is decoded as a whole
    if all(isinstance(side, int) for side in tile):
        check_pixels(*tile)
    if settings.resize_mode == "shortest":
        shorter, longer = sorted(side - 2 * settings.border for side in (width, height))
        if shorter > 0 and settings.size**2 * longer > MOST_PIXELS * shorter:
            resized = settings.size * settings.size * longer // shorter
            raise ValueError(
                f"{width:,} × {height:,} pixels; with the shorter side resized to {settings.size} "
                f"{resized:,} pixels, wanted at most {MOST_PIXELS:,}"
            )


def is_large(image: Image.Image) -> bool:
    """Return whether an image is so large that no other is decoded at the same time."""
    return image.width * image.height > _LARGE


def check_pixels(width: int, height: int) -> None:
    """Raise `ValueError` for a size of more pixels than are decoded."""
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width:,} × {height:,} pixels, wanted at most {MOST_PIXELS:,}")


def _webp_size(content: bytes) -> tuple[int, int]:
    """Return the width and height that a WebP announces, of its canvas or of its only frame."""
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    sides = content[26:28], content[28:30]
    width, height = (int.from_bytes(side, "little") & 0x3FFF for side in sides)
    return width, height
