"""Requests that a server refuses: the run gets a process of its own."""

import json
import socket
import subprocess
import sys
from textwrap import dedent

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


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


def test_a_stand_in_that_has_given_up_gets_no_process(server, tmp_path):
    """A complete request of a closed connection starts nothing, so that no run has two processes."""
    text = f"open({str(tmp_path / 'forked')!r}, 'w')"
    content = json.dumps({"environment": {**server.environment, "PREFECT__TEXT": text}, "directory": "/"}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(server.address)
        connection.sendall(len(content).to_bytes(4, "big") + content)
    assert server.run("pass").wait(20) == 0
    assert not (tmp_path / "forked").exists()


@pytest.mark.parametrize(
    "content",
    [b"{{{", b"[]", b'{"environment": ["x"], "directory": "/"}', b'{"environment": {"x": 1}, "directory": "/"}'],
)
def test_a_request_that_is_none_does_not_end_the_server(server, content):
    """Whatever another program sends, the next run is forked."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(server.address)
        socket.send_fds(connection, [len(content).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(content)
        assert connection.recv(10) == b""
    assert server.run("pass").wait(20) == 0


def test_a_server_that_could_not_run_flows_does_not_begin():
    """A real one is fit to fork; one whose imports have used a GPU is not, since no forked process could use it."""
    text = """
        import torch
        from flows.workers.forking import fork_server
        fork_server.preload()
        fork_server.become_the_only_thread()
        print(fork_server.check_forks())
        for name in ("is_initialized", "_is_in_bad_fork"):
            kept = getattr(torch.cuda, name)
            setattr(torch.cuda, name, lambda: True)
            print(fork_server.check_forks())
            setattr(torch.cuda, name, kept)
    """
    ended = subprocess.run([sys.executable, "-c", dedent(text)], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["None"] + 2 * ["an import has initialised CUDA"]
