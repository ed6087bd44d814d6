"""The device that models run on, and the transfer of images to it."""

from collections.abc import Iterator

import torch

from tasks.datasets.loading import Batch


def default_device() -> str:
    """Return the device that models run on: CUDA's, if one exists."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name(device: torch.device) -> str:
    """Return the name of a device as measurements give it: `cpu`, or the name of a GPU such as `NVIDIA L4`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def transferred(found: Iterator[Batch], device: str) -> Iterator[Batch]:
    """Yield batches on a device. On a GPU, the next batch travels on a stream of its own while this one is computed."""
    if not device.startswith("cuda"):
        yield from found
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    travelling: tuple[Batch, torch.cuda.Event] | None = None
    for batch in found:
        with torch.cuda.stream(stream):
            sent = batch._replace(images=batch.images.to(device, non_blocking=True)), stream.record_event()
        if travelling:
            yield _arrived(*travelling)
        travelling = sent
    if travelling:
        yield _arrived(*travelling)


def _arrived(batch: Batch, arrival: torch.cuda.Event) -> Batch:
    """Make the computation wait for a batch's images, and keep their memory until it is done with them."""
    current = torch.cuda.current_stream(batch.images.device)
    current.wait_event(arrival)
    batch.images.record_stream(current)
    return batch
