"""Run the command line and kill the process after a certain write: `kill_at.py LOG TABLE PART COUNT -- ARGUMENTS`.

TABLE is the first part of an object's key. PART is `object` (after the data, before the manifest) or `manifest` (after
the commit). COUNT is the number of such writes, the last of which kills. TABLE `nothing` never kills. The program
appends the key of every commit to the file LOG.
"""

import os
import signal
import sys

from storage.store import Store

log, table, part, count = sys.argv[1:5]
seen = 0


def strike(key, is_manifest):
    global seen  # noqa: PLW0603  a script of one run
    if key.startswith(f"{table}/") and is_manifest == (part == "manifest"):
        seen += 1
        if seen == int(count):
            os.kill(os.getpid(), signal.SIGKILL)


create, replace = Store.create, Store.replace


def noted(key):
    if key.endswith(".manifest.json"):
        with open(log, "a") as file:
            file.write(key + "\n")
    strike(key, key.endswith(".manifest.json"))


def watched_create(self, key, content):
    mark = create(self, key, content)
    noted(key)
    return mark


def watched_replace(self, key, content):
    mark = replace(self, key, content)
    if key.endswith(".manifest.json"):
        noted(key)
    return mark


Store.create, Store.replace = watched_create, watched_replace

if __name__ == "__main__":
    from flows.cli import main

    sys.exit(main(sys.argv[6:]))
