"""Works that do nothing: each is counted once, and a work that is lost or done twice is seen."""

import os
import subprocess
import sys

from benchmarks.families import Family, memory_mib
from benchmarks.no_op_parent import works
from benchmarks.no_op_worker import do_work, done


def test_a_work_that_runs_twice_is_counted(tmp_path):
    """The second run of a work does not pass for another work, and is not missed."""
    assert [do_work(tmp_path, number, "first") for number in (0, 1, 3)] == [True] * 3
    assert not do_work(tmp_path, 1, "second")
    assert not do_work(tmp_path, 1, "third")
    assert done(tmp_path) == ({0, 1, 3}, 2)


def test_the_works_of_a_parent_have_numbers_of_their_own(tmp_path):
    """Their first samples are 0, 1, …, and their parameters are those that `extract-outputs` takes."""
    made = works(5, str(tmp_path))
    assert [child.parameters["samples"][0] for child in made] == list(range(5))
    assert all(set(child.parameters) == {"dataset", "samples", "plan", "store"} for child in made)


def test_a_family_has_the_time_of_its_ended_children():
    """The processor time of a child that was waited for stays that of its family; an ended process has no memory."""
    family = Family(os.getpid())
    before = family.seconds()
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert family.seconds() - before >= 0.02
    own = memory_mib("VmHWM")
    assert family.peak_mib() >= own > 1
    assert memory_mib("VmRSS", 2**30) == 0
