"""A fork server that runs the Python text of a variable in place of a flow, and loads no library but numpy."""

import subprocess
import sys
import textwrap
import time
from pathlib import Path

from flows.workers.forking import stand_in

ROOT = Path(__file__).parents[2]
SERVER = """
import os, sys
from pathlib import Path
import numpy  # starts a thread on a machine with several cores, and has a global state
sys.path.insert(0, {root!r})
from flows.workers.forking.fork_server import READY, ForkServer, become_the_only_thread
from flows.workers.forking.source_files import SourceFiles
def run():
    exec(os.environ["PREFECT__TEXT"], {{}})
    return 0
environment, sources = dict(os.environ), SourceFiles([Path({code!r})])
become_the_only_thread()
server = ForkServer({address!r}, environment, sources, run)
os.write(1, READY)
server.serve()
os._exit(0)
"""


class Server:
    """A running server; `run` starts a stand-in, whose child executes a text."""

    def __init__(self, folder):
        self.address, self.code = str(folder / "s"), folder / "code" / "made_up.py"
        self.code.parent.mkdir()
        self.code.touch()
        self.environment = {"PATH": "/usr/bin:/bin", "SHARED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER.format(root=str(ROOT), address=self.address, code=str(self.code.parent))],
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder,
        )  # fmt: skip
        assert self.process.stdout.readline() == b"ready\n"
        self.runs = []

    def run(self, text, *, cwd="/", **environment):
        variables = {**self.environment, "PREFECT__TEXT": textwrap.dedent(text), **environment}
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", stand_in.__file__],
            env={**variables, stand_in.SERVER: self.address},
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.runs.append(started)
        return started

    def children(self):
        """Return the numbers of the running processes that the server has forked."""
        (server,) = children_of(self.process.pid)
        return children_of(server)

    def stop(self):
        for process in (*self.runs, self.process):
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()


def children_of(process):
    return [int(n) for n in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def until(found):
    deadline = time.monotonic() + 20
    while not (result := found()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


def gone(process):
    """Return whether a process has ended; its new parent may not have noticed yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


SLEEP = "import time; print('on', flush=True); time.sleep(60)"


def sleeping(server, text=SLEEP):
    """Start a run that sleeps; return its stand-in and the number of its child."""
    started = server.run(text)
    assert started.stdout.readline() == "on\n"
    (child,) = server.children()
    return started, child
