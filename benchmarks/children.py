"""Processes, with their seconds and peak memory."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple


class Ended(NamedTuple):
    """The cost and the output of a process."""

    seconds: float
    peak_mib: float
    """Peak memory, without that of its children."""
    shown: str
    """Its standard output and error."""


def run_child(arguments: Sequence[str], **environment: str) -> Ended:
    """Run `python ARGUMENTS` to its end and return its cost.

    Raises:
        RuntimeError: the process failed; the message holds its output.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **environment},
        text=True,
    )
    assert process.stdout is not None
    shown = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{shown}")
    return Ended(time.perf_counter() - start, usage.ru_maxrss / 1024, shown)
