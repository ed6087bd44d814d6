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


write = Store._write


def watched(self, key, content, **options):
    mark = write(self, key, content, **options)
    is_manifest = key.endswith(".manifest.json")
    if is_manifest:
        with open(log, "a") as file:
            file.write(key + "\n")
    strike(key, is_manifest)
    return mark


Store._write = watched

if __name__ == "__main__":
    from flows.cli import main

    sys.exit(main(sys.argv[6:]))
