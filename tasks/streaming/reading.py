"""How images are read. In a file of its own because planning loads it, and no image library."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How images are read. None of it changes a number."""

    batch_size: int
    """Images per batch."""
    workers: int | None = None
    """Decoding processes; None: one per core."""
    cache_bytes: int = 0
    """Bytes of decoded images kept on this machine's disk; 0: none."""
