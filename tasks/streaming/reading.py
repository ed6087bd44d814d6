"""How images are read. Planning imports this file, so it imports no image library."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Settings of image reading. They change results by no more than rounding."""

    batch_size: int
    """Images per batch."""
    workers: int | None = None
    """Decoding processes; None: one per core."""
    cache_bytes: int = 0
    """Bytes of decoded images kept on this machine's disk; 0: none."""
