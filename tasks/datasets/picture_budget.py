"""What a picture may cost, read off its first bytes before any of it is decoded."""

import warnings
from threading import Lock

from PIL import Image

from tasks.datasets.preprocessing import Preprocessing

MOST_PIXELS = 89_478_485  # of a picture, and of what the resizing makes of it; Pillow's own number
_LARGE = 2**24  # pixels; such pictures are decoded one at a time, whatever the number of threads
_MOST_SCANS = 200  # of a JPEG, each of which goes over all pixels again; ten are usual
_START_OF_SCAN = b"\xff\xda"

large_pictures = Lock()
"""Held while a large picture is decoded."""

# Pillow warns from so many pixels on and refuses twice as many; a warning on a terminal would stop nothing
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def check_encoded(picture: bytes) -> None:
    """Raise `ValueError` for a picture that costs too much already when it is opened, or again and again later."""
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        check_pixels(*_webp_size(picture))  # the library makes room for all pixels before it says how many there are
    elif picture[:2] == b"\xff\xd8" and picture.count(_START_OF_SCAN) > _MOST_SCANS:
        raise ValueError(f"{picture.count(_START_OF_SCAN)} scans of a JPEG, wanted at most {_MOST_SCANS}")


def check_opened(image: Image.Image, settings: Preprocessing) -> None:
    """Raise `ValueError` for a picture of too many pixels, or one so narrow that resizing it makes too many."""
    width, height = image.size
    check_pixels(width, height)
    tags = getattr(image, "tag_v2", {})
    tile = [tags.get(name, 1) for name in (322, 323)]  # width and height of a TIFF's tiles, which are decoded whole
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
    """Tell whether a picture is decoded alone."""
    return image.width * image.height > _LARGE


def check_pixels(width: int, height: int) -> None:
    """Raise `ValueError` for more pixels than are decoded."""
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width:,} × {height:,} pixels, wanted at most {MOST_PIXELS:,}")


def _webp_size(picture: bytes) -> tuple[int, int]:
    """Return the width and height that a WebP announces: of its canvas, or of its only picture."""
    kind = picture[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(picture[24:27], "little"), 1 + int.from_bytes(picture[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(picture[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    sides = picture[26:28], picture[28:30]
    width, height = (int.from_bytes(side, "little") & 0x3FFF for side in sides)
    return width, height
