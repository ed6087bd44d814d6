"""The images of a run's next data set: decoding begins while the present data set is still computed.

At most one data set is ahead. The processes or threads that decode it stop after a few batches, two for each process,
and wait until its pass takes them. So the work is the same, and the memory is that of a second pass that has begun.
"""

import logging
import threading
from collections.abc import Sequence

from storage.spans import Span
from tasks.references.datasets import DatasetReference
from tasks.streaming.images import Images
from tasks.streaming.reading import Reading

log = logging.getLogger("dawin.pass")


class _Ahead:
    """Images that a thread opens, and whose first batches are decoded."""

    def __init__(self, reference: DatasetReference, reading: Reading, device: str, spans: Sequence[Span]) -> None:
        self.reference, self.reading = reference, reading
        self._device, self.spans = device, list(spans)
        self._images: Images | None = None
        self._is_wanted, self._guard = True, threading.Lock()
        self._thread = threading.Thread(target=self._begin, name="ahead", daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        try:
            images = Images(self.reference, self.reading, self._device)
            images.begin(self.spans)
        except Exception as error:  # the pass meets the same fault, and reports it
            log.debug("%s: not decoded ahead (%s)", self.reference.name, error)
            return
        with self._guard:
            if self._is_wanted:
                self._images = images
                return
        images.close()

    def taken(self) -> Images | None:
        """Return the images as soon as their first batch is there; None if they cannot be read."""
        self._thread.join()
        return self._images

    def drop(self) -> None:
        """Stop the decoding, without a wait for the thread."""
        with self._guard:
            self._is_wanted = False
            images, self._images = self._images, None
        if images:
            images.close()


_one: _Ahead | None = None


def begin(reference: DatasetReference, reading: Reading, device: str, spans: Sequence[Span]) -> None:
    """Begin to decode the images that a coming pass reads, in place of any others that were begun before.

    Nothing happens where these were begun already, and where it would not help: if this thread decodes, or if decoded
    images are kept on the disk, of which the present data set still needs its own.

    Args:
        reference: the data set.
        reading: how the pass reads images.
        device: receives the images of the pass.
        spans: of samples that the pass reads, in order.
    """
    global _one  # noqa: PLW0603  one data set ahead in a process
    if _one and (_one.reference, _one.reading, _one.spans) == (reference, reading, list(spans)):
        return
    drop()
    if spans and reading.workers != 0 and not reading.cache_bytes:
        _one = _Ahead(reference, reading, device, spans)


def opened_images(reference: DatasetReference, reading: Reading, device: str) -> Images:
    """Return the images of a data set, those that were begun before if they are of the same data set.

    Args:
        reference: the data set.
        reading: how images are read.
        device: receives the images.

    Raises:
        DatasetError: the data set is not the one that the reference names.
    """
    global _one
    if _one and (_one.reference, _one.reading) == (reference, reading):
        found, _one = _one.taken(), None
        if found:
            return found
    return Images(reference, reading, device)


def drop() -> None:
    """Stop the decoding of images that no pass has taken."""
    global _one  # noqa: PLW0603
    if _one:
        _one.drop()
    _one = None
