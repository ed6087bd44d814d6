"""How a data set is read. Apart from the reading, which is slow to import."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How images are read: nothing of it changes a number."""

    batch_size: int
    """Images at a time."""
    workers: int | None = None
    """How many decode at a time; None: one a core."""
    cache_bytes: int = 0
    """Of decoded images kept on this machine's disk; 0: none."""
