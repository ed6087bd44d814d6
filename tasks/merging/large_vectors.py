"""Large vectors in memory of large pages, of which a processor needs five hundred times fewer."""

import mmap
from contextlib import suppress

import torch

_LEAST = 4 << 20  # bytes; a large page has 2 MiB


def large_vector(size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return a vector of unspecified numbers, in large pages where the system offers them.

    Filling new memory page by page takes several times as long as copying a model into it: 0.17 s for a ViT-B/32 in
    pages of 4 KiB, and 0.05 s in pages of 2 MiB (`python -m benchmarks.merging`).

    Args:
        size: the number of numbers.
        dtype: their type.
        device: where they lie; only the memory of a processor has large pages.
    """
    length = size * dtype.itemsize
    if device.type != "cpu" or length < _LEAST or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(size, dtype=dtype, device=device)
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without large pages: the memory is as good as any
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype)
