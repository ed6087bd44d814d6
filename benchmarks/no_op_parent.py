"""A parent that sends no-op works to a pool with a run's own `Sender`, and measures itself: one process for each row.

    python -m benchmarks.no_op_parent WORKS FOLDER IN_FLIGHT

The works are runs of `extract-outputs/gpu` with the parameters of such runs, which a `NoOpWorker` takes. They are the
objects of one data set, each of which the schedule sends in a child of its own. The last line of the standard output is
a JSON object.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import flow

from benchmarks.families import memory_mib
from flows.scheduling.schedule import Schedule
from flows.scheduling.sizes import Sizing
from flows.scheduling.works import Graph, Work
from flows.workers.children import Child
from flows.workers.dispatch import send_child
from flows.workers.sender import Sender
from flows.workers.sharing import Share
from storage.spans import cut

NAME = "extract none"


def sender(count: int, in_flight: int) -> tuple[Sender, Work]:
    """Return a sender, and its one work, whose objects the schedule sends in a child each.

    Args:
        count: number of objects, of one sample each.
        in_flight: number of children that are sent and have not ended, at most.
    """
    work = Work(name=NAME, kind="extract-outputs", dataset="none", spans=tuple(cut(count, 1)))

    async def share() -> Share:
        return Share(in_flight, 1)

    return Sender(Schedule(Graph([work]), Sizing(samples=1)), send_child, share, in_flight), work


@flow(name="no-ops", validate_parameters=False)
async def no_ops(count: int, folder: str, in_flight: int) -> dict[str, float]:
    """Send the works, and return seconds, memory and tasks of this process."""
    child = Child("extract-outputs", NAME, ("dawin",), {"dataset": "none", "plan": "plans/none.json", "store": folder})
    sending, work = sender(count, in_flight)
    start, before = time.monotonic(), memory_mib("VmRSS")
    with watched_tasks() as tasks:
        await sending.compute(NAME, child, work.spans)
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
    print("\n" + json.dumps(asyncio.run(no_ops(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))))
