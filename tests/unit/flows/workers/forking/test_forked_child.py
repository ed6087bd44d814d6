"""What a process gets that a server has forked, and how its end is reported."""

import signal
import sys

import pytest
from fork_runs import sleeping

from flows.workers.forking import stand_in

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


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


def test_twenty_children_at_once_end_each_with_their_own_status(server):
    """Nothing is mixed up between runs that start and end at the same time."""
    text = "import os, time; print(os.environ['PREFECT__N']); time.sleep(0.3); os._exit(int(os.environ['PREFECT__N']))"
    text = text.replace("print(os.environ['PREFECT__N'])", "os.write(1, os.environ['PREFECT__N'].encode())")
    started = [server.run(text, PREFECT__N=str(n)) for n in range(20)]
    assert [run.communicate(timeout=60)[0] for run in started] == [str(n) for n in range(20)]
    assert [run.returncode for run in started] == list(range(20))
    assert server.children() == []
