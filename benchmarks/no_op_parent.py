"""A parent that sends no-op works to a pool with `dispatch`, and measures itself: a process of its own for each row.

    python -m benchmarks.no_op_parent WORKS FOLDER

The works are runs of `extract-outputs/gpu` with the parameters of such runs, which a `NoOpWorker` takes. The last line
of the standard output is a JSON object.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import flow

from benchmarks.families import memory_mib
from flows.workers.children import Child
from flows.workers.dispatch import dispatch


def works(count: int, folder: str) -> list[Child]:
    """Return the children, whose first sample is the number of the work."""
    return [
        Child(
            "extract-outputs",
            f"no-op {number}",
            ("dawin",),
            {"dataset": "none", "samples": [number, number + 1], "plan": "plans/none.json", "store": folder},
        )
        for number in range(count)
    ]


@flow(name="no-ops", validate_parameters=False)
async def no_ops(count: int, folder: str) -> dict[str, float]:
    """Dispatch the works, and return seconds, memory and tasks of this process."""
    children = works(count, folder)
    start, before = time.monotonic(), memory_mib("VmRSS")
    with watched_tasks() as tasks:
        await dispatch(children)
    return {
        "seconds": time.monotonic() - start,
        "processor": time.process_time(),
        "before": before,
        "after": memory_mib("VmRSS"),
        "peak": memory_mib("VmHWM"),
        "tasks": max(tasks),
    }


@contextmanager
def watched_tasks(every: float = 0.5) -> Iterator[list[int]]:
    """Count the open tasks of the event loop now and then; the list grows until the context ends."""
    counts = [len(asyncio.all_tasks())]

    async def watch() -> None:
        while True:
            await asyncio.sleep(every)
            counts.append(len(asyncio.all_tasks()))

    watching = asyncio.get_running_loop().create_task(watch())
    try:
        yield counts
    finally:
        watching.cancel()


if __name__ == "__main__":
    print("\n" + json.dumps(asyncio.run(no_ops(int(sys.argv[1]), sys.argv[2]))))
