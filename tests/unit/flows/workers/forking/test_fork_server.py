"""Processes forked by a server: what they get, how they end, and what happens when one of the others dies.

The server of these tests runs the Python text of a variable in place of a flow, and loads no library.
"""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from flows.workers.forking import stand_in

ROOT = Path(__file__).parents[5]
SERVER = """
import os, sys, types
import numpy  # starts a thread on a machine with several cores, and has a global state
sys.path.insert(0, {root!r})
from flows.workers.forking.fork_server import READY, ForkServer, become_the_only_thread
def run():
    exec(os.environ["PREFECT__TEXT"], {{}})
    return 0
environment = dict(os.environ)
made = sys.modules["flows.made_up"] = types.ModuleType("flows.made_up")
made.__file__ = {code!r}
become_the_only_thread()
server = ForkServer({address!r}, environment, run)
os.write(1, READY)
server.serve()
os._exit(0)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Server:
    """A running server; `run` starts a stand-in, whose child executes a text."""

    def __init__(self, folder):
        self.address, self.code = str(folder / "s"), folder / "made_up.py"
        self.code.touch()
        self.environment = {"PATH": "/usr/bin:/bin", "SHARED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER.format(root=str(ROOT), address=self.address, code=str(self.code))],
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


@pytest.fixture
def server(tmp_path):
    started = Server(tmp_path)
    try:
        yield started
    finally:
        started.stop()


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


def test_a_child_has_the_run_s_streams_variables_and_directory(server, tmp_path):
    """What it writes arrives on the stand-in's streams, and its variables and directory are the stand-in's."""
    text = "import os, sys; print(os.environ['PREFECT__X'], os.getcwd(), sys.path[0]); print('e', file=sys.stderr)"
    ended = server.run(text, cwd=tmp_path, PREFECT__X="seven")
    assert ended.communicate(timeout=20) == (f"seven {tmp_path} {tmp_path}\n", "e\n")
    assert ended.returncode == 0


def test_a_child_does_not_see_the_address_of_the_server(server):
    """The variable is the stand-in's alone, so that a program of the child's asks no server."""
    ended = server.run(f"import os; print(os.environ.get('{stand_in.SERVER}'))")
    assert ended.communicate(timeout=20)[0] == "None\n"


def test_a_child_inherits_none_of_the_server_s_descriptors(server):
    """A second run, while another one is on, has three open descriptors and the one with which it looks."""
    other, _ = sleeping(server)
    ended = server.run("import os; print([n for n in os.listdir('/proc/self/fd') if int(n) > 2])")
    assert len(ended.communicate(timeout=20)[0].split(",")) == 1
    assert other.poll() is None


def test_a_child_runs_in_one_thread_and_a_group_of_its_own(server):
    """Nothing that the server does for itself goes on in the child."""
    text = "import os; print(len(os.listdir('/proc/self/task')), os.getpgid(0) == os.getpid())"
    assert server.run(text).communicate(timeout=20)[0] == "1 True\n"


def test_children_draw_different_random_numbers(server):
    """The global state of Python's and of numpy's generator is not the same in two children."""
    text = "import random, numpy; print(random.random(), numpy.random.random())"
    first, second = (server.run(text).communicate(timeout=60)[0].split() for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("pass", 0),
        ("import os; os._exit(7)", 7),
        ("raise ValueError('wrong')", 1),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM),
        ("import os; os.abort()", -signal.SIGABRT),
    ],
)
def test_a_stand_in_ends_as_its_child(server, text, status):
    """The exit status, or the signal, is that of the child."""
    ended = server.run(text)
    shown = ended.communicate(timeout=20)[1]
    assert ended.returncode == status
    assert ("ValueError: wrong" in shown) == ("wrong" in text)


def test_handlers_at_exit_are_called_and_output_is_flushed(server):
    """Prefect sends the last logs in such a handler."""
    ended = server.run("import atexit; atexit.register(print, 'bye'); print('here', end=' ')")
    assert ended.communicate(timeout=20)[0] == "here bye\n"


def test_a_termination_is_passed_on(server):
    """The child's handler gets the signal, and the stand-in waits for the child's own end."""
    text = """
        import os, signal, time
        signal.signal(signal.SIGTERM, lambda *_: os._exit(os.write(1, b'ended\\n') - 1))
        print('on', flush=True)
        time.sleep(60)
    """
    started, _ = sleeping(server, text)
    started.terminate()
    assert started.communicate(timeout=20)[0] == "ended\n"
    assert started.returncode == 5


def test_a_killed_child_is_seen(server):
    """The stand-in ends by SIGKILL, and other children go on."""
    other, _ = sleeping(server)
    started = server.run(SLEEP)
    assert started.stdout.readline() == "on\n"
    os.kill(max(server.children()), signal.SIGKILL)
    assert started.wait(20) == -signal.SIGKILL
    assert other.poll() is None


def test_a_killed_stand_in_takes_the_child_and_its_helpers_along(server):
    """No process of the run remains, and the server forks the next child."""
    text = "import os, time; os.fork() and print('on', flush=True); time.sleep(60)"
    started, child = sleeping(server, text)
    (helper,) = children_of(child)
    started.kill()
    started.wait()
    until(lambda: gone(child) and gone(helper))
    assert server.run("pass").wait(20) == 0


def test_helpers_end_with_their_child(server):
    """A process that the child leaves behind does not outlive it."""
    text = "import os, time; pid = os.fork(); pid or time.sleep(60); print(pid)"
    shown = server.run(text).communicate(timeout=20)[0]
    until(lambda: gone(int(shown)))


@pytest.mark.parametrize("which", ["server", "its parent"])
def test_a_dead_server_takes_its_children_along(server, which):
    """The stand-in says so and ends by SIGKILL, which the worker reports as a crash."""
    started, child = sleeping(server)
    (inner,) = children_of(server.process.pid)
    os.kill(inner if which == "server" else server.process.pid, signal.SIGKILL)
    assert "the fork server has died" in started.communicate(timeout=20)[1]
    assert started.returncode == -signal.SIGKILL
    until(lambda: gone(child) and gone(inner))


@pytest.mark.parametrize("how", ["end of the worker", "SIGTERM"])
def test_a_server_that_ends_waits_for_its_children(server, how):
    """It takes no more requests, the running child ends by itself, and then the server does."""
    started, _ = sleeping(server, "import time; print('on', flush=True); time.sleep(1); print('done')")
    if how == "SIGTERM":
        server.process.terminate()
    else:
        server.process.stdin.close()
    until(lambda: not Path(server.address).exists())
    assert started.communicate(timeout=20)[0] == "done\n"
    assert started.returncode == 0
    assert server.process.wait(20) == 0


def test_twenty_children_at_once_end_each_with_their_own_status(server):
    """Nothing is mixed up between runs that start and end at the same time."""
    text = "import os, time; print(os.environ['PREFECT__N']); time.sleep(0.3); os._exit(int(os.environ['PREFECT__N']))"
    text = text.replace("print(os.environ['PREFECT__N'])", "os.write(1, os.environ['PREFECT__N'].encode())")
    started = [server.run(text, PREFECT__N=str(n)) for n in range(20)]
    assert [run.communicate(timeout=60)[0] for run in started] == [str(n) for n in range(20)]
    assert [run.returncode for run in started] == list(range(20))
    assert server.children() == []


@pytest.fixture
def engine(tmp_path):
    """A folder in which `python -m flows.workers.engine` starts a program that shows its name."""
    folder = tmp_path / "flows" / "workers"
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").touch()
    (folder / "engine.py").write_text("print('engine')")
    return tmp_path


@pytest.mark.parametrize("changed", [{"SHARED": "hidden"}, {"MORE": "hidden"}, {"SHARED": None}])
def test_a_run_with_another_environment_gets_a_process_of_its_own(server, engine, changed):
    """The stand-in becomes the engine; the line names the variable and hides its value, which may be a secret."""
    server.environment = {name: v for name, v in {**server.environment, **changed}.items() if v is not None}
    out, error = server.run("print('forked')", cwd=engine).communicate(timeout=20)
    assert out == "engine\n"
    assert f"its environment has other values of {next(iter(changed))}" in error
    assert "hidden" not in error


def test_a_run_without_a_server_gets_a_process_of_its_own(server, engine):
    """An address at which no server listens costs one line in the log."""
    server.address = str(engine / "nowhere")
    out, error = server.run("print('forked')", cwd=engine).communicate(timeout=20)
    assert out == "engine\n"
    assert "the fork server does not answer" in error


def test_a_changed_source_file_ends_the_server(server, engine):
    """No child runs code that differs from the files: the run gets a process of its own, and the server ends."""
    assert server.run("pass").wait(20) == 0
    server.code.write_text("# changed")
    out, error = server.run("print('forked')", cwd=engine).communicate(timeout=20)
    assert out == "engine\n"
    assert f"{server.code} has changed since the server imported it" in error
    assert server.process.wait(20) == 0


def test_a_request_that_is_none_does_not_end_the_server(server):
    """Whatever another program sends, the next run is forked."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(server.address)
        connection.sendall((3).to_bytes(4, "big") + b"{{{")
        assert connection.recv(10) == b""
    assert server.run("pass").wait(20) == 0
