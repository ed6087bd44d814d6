"""Imports without garbage collection: Python collects many times while large libraries load, and finds nothing."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Turn Python's automatic garbage collection off inside the block; import torch or Prefect there.

    It saves one of eight seconds of the imports of a run. Afterwards no collection visits the loaded objects until the
    process ends, when some libraries complain about objects of theirs that outlive them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            atexit.register(gc.unfreeze)
            gc.enable()
