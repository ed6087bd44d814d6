"""Works that do nothing: each is counted once, and a work that is lost or done twice is seen."""

import asyncio
import os
import subprocess
import sys

from benchmarks import no_op_parent
from benchmarks.families import Family, memory_mib
from benchmarks.no_op_worker import do_work, done
from flows.workers.children import Child


def test_a_work_that_runs_twice_is_counted(tmp_path):
    """The second run of a work does not pass for another work, and is not missed."""
    assert [do_work(tmp_path, number, "first") for number in (0, 1, 3)] == [True] * 3
    assert not do_work(tmp_path, 1, "second")
    assert not do_work(tmp_path, 1, "third")
    assert done(tmp_path) == ({0, 1, 3}, 2)


def test_each_work_of_a_parent_is_a_child_of_its_own(monkeypatch):
    """Their first samples are 0, 1, …, and no more are in flight than wanted."""
    begun, in_flight, most = [], set(), []

    async def send(child, _):
        begun.append(child.parameters["samples"])
        in_flight.add(child.name)
        most.append(len(in_flight))
        await asyncio.sleep(0)
        in_flight.discard(child.name)

    monkeypatch.setattr(no_op_parent, "send_child", send)
    sending, work = no_op_parent.sender(7, 3)
    asyncio.run(sending.compute(work.name, Child("extract-outputs", "none", (), {}), work.spans))
    assert begun == [[number, number + 1] for number in range(7)]
    assert max(most) == 3


def test_a_family_has_the_time_of_its_ended_children():
    """The processor time of a child that was waited for stays that of its family; an ended process has no memory."""
    family = Family(os.getpid())
    before = family.seconds()
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert family.seconds() - before >= 0.02
    own = memory_mib("VmHWM")
    assert family.peak_mib() >= own > 1
    assert memory_mib("VmRSS", 2**30) == 0
