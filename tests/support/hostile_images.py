"""Images of some kilobytes that cost much to open or decode, and an empty file.

`IMAGES` has a function that makes each, and a part of the message of its refusal.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

MIB = 1 << 20


def _zeros(mib):
    """Return so many MiB of zeros, compressed by zlib piece by piece."""
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(mib)), packer.flush()])


def png(width, height, *chunks, rows=None):
    """Return a black PNG, made without holding its pixels; with fewer `rows` than `height` it is cut short."""
    packer = zlib.compressobj(9)
    row = bytes(width * 3 + 1)
    pixels = b"".join([*(packer.compress(row) for _ in range(height if rows is None else rows)), packer.flush()])
    parts = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), *chunks]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts, _chunk(b"IDAT", pixels), _chunk(b"IEND", b"")])


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _saved(kind, **options):
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(file, kind, **options)
    return bytearray(file.getvalue())


def wide_webp():
    """Return a WebP that announces 16,383 × 16,383 pixels."""
    content = _saved("WEBP")
    content[26:30] = b"\xff\x3f\xff\x3f"
    return bytes(content)


def tiled_tiff():
    """Return a TIFF of 30 × 20 pixels in a tile of a gigapixel."""
    content = _saved("TIFF")
    count = struct.unpack_from("<H", content, start := struct.unpack_from("<I", content, 4)[0])[0]
    entries = content[start + 2 : start + 2 + 12 * count]
    tiles = b"".join(struct.pack("<HHII", tag, 4, 1, 2**15) for tag in (322, 323))
    place = len(content)
    return bytes(content[:4] + struct.pack("<I", place) + content[8:]) + (
        struct.pack("<H", count + 2) + bytes(entries) + tiles + bytes(4)
    )


GIGAPIXEL_GIF = (
    b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\2\2\x4c\1\0;"
)

IMAGES = {
    "a PNG of 130 megapixels": (lambda: png(11_402, 11_402, rows=1), "more than 89,478,485 pixels"),
    "a PNG of 4 gigapixels": (lambda: png(65_000, 65_000, rows=1), "more than 89,478,485 pixels"),
    "a PNG one pixel wide": (
        lambda: png(1, 10_000_000, rows=1),
        r"1 × 10,000,000 pixels; with the shorter side resized to 16",
    ),
    "a PNG with a text of 256 MiB": (
        lambda: png(9, 9, _chunk(b"zTXt", b"a\0\0" + _zeros(256))),
        "Decompressed data too large",
    ),
    "a PNG with a profile of 256 MiB": (
        lambda: png(9, 9, _chunk(b"iCCP", b"a\0\0" + _zeros(256))),
        "Decompressed data too large",
    ),
    "a GIF of 4 gigapixels": (lambda: GIGAPIXEL_GIF, "more than 89,478,485 pixels"),
    "a WebP of 268 megapixels": (wide_webp, "16,383 × 16,383 pixels, wanted at most 89,478,485"),
    "a TIFF with a tile of a gigapixel": (tiled_tiff, "32,768 × 32,768 pixels, wanted at most 89,478,485"),
    "a JPEG of 300 scans": (
        lambda: bytes(_saved("JPEG", progressive=True)[:-2]) + b"\xff\xda\0\0" * 300,
        "scans of a JPEG, wanted at most 200",
    ),
    "an empty file": (lambda: b"", "not an image of a known format"),
}
