"""The ends of a child, of its stand-in and of the server, and what becomes of the others."""

import os
import signal
import sys
from pathlib import Path

import pytest
from fork_runs import SLEEP, children_of, gone, sleeping, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


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


def test_an_interrupt_of_the_terminal_leaves_the_run_alone(server):
    """It reaches every process of a worker, which waits for its runs; only the worker decides to end one."""
    started, _ = sleeping(server, "import time; print('on', flush=True); time.sleep(1); print('done')")
    started.send_signal(signal.SIGINT)
    assert started.communicate(timeout=20)[0] == "done\n"
    assert started.returncode == 0


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
