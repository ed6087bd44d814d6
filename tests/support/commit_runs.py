"""Commit the results of some runs, as one of several writers: `commit_runs.py STORE FIRST COUNT`."""

import sys

from many_runs import commit_run

from storage.store import Store

store, first, count = sys.argv[1:]
for number in range(int(first), int(first) + int(count)):
    commit_run(Store(store), number)
