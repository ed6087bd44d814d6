"""The program that starts a pool on a Slurm cluster: its options, its files, and what it refuses."""

import signal
import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[4] / "infra" / "slurm"))

import slurm_pool
from slurm_pool import SlurmPool, as_lines, main, options_of, own_address, write_private


def pool(folder, **options):
    return SlurmPool(folder, "my.yaml", "s3://bucket/store", 2, **{"host": "10.0.0.1", **options})


def test_options_after_two_dashes_are_those_of_sbatch():
    """They may look like the program's own."""
    options = options_of(["my.yaml", "--store", "s", "--gpus", "8", "--", "--partition=gpu", "--port", "1"])
    assert (options.experiment, options.gpus, options.port) == ("my.yaml", 8, None)
    assert options.sbatch == ["--partition=gpu", "--port", "1"]


@pytest.mark.parametrize("arguments", [["my.yaml"], ["my.yaml", "--store", "s", "--gpus", "0"]])
def test_a_missing_store_and_a_wrong_number_are_refused(arguments):
    """The program ends with status 2 before it starts anything."""
    with pytest.raises(SystemExit, match="2"):
        options_of(arguments)


def test_a_machine_that_submits_no_jobs_is_named_in_one_line(tmp_path, monkeypatch, capsys):
    """Without Slurm's commands the program ends with status 1, and no server was started."""
    monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "pool"
    assert main(["my.yaml", "--store", "s", "--host", "10.0.0.1", "--folder", str(folder)]) == 1
    wanted = "slurm_pool.py: scancel: no such command; start the pool on a machine that submits Slurm jobs\n"
    assert capsys.readouterr().err == wanted
    assert list(folder.iterdir()) == []


def test_an_address_of_this_machine_alone_is_refused(monkeypatch):
    """Debian gives a host name the address 127.0.1.1, at which no node reaches the server."""
    monkeypatch.setattr(socket, "gethostname", lambda: "login")
    monkeypatch.setattr(socket, "gethostbyname", lambda name: "127.0.1.1")
    with pytest.raises(RuntimeError, match=r"login has the address 127\.0\.1\.1; give --host"):
        own_address()


def test_workers_know_the_server_and_go_around_the_proxy(tmp_path, monkeypatch):
    """They get its address, its password and the store; the server's host joins those that need no proxy."""
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "postgresql+asyncpg://me:secret@db/prefect")
    monkeypatch.setenv("UNRELATED", "secret")
    made = pool(tmp_path, port=4200)
    got = made._of_workers()
    assert made.url == "http://10.0.0.1:4200"
    assert got["PREFECT_API_URL"] == "http://10.0.0.1:4200/api"
    assert got["PREFECT_API_AUTH_STRING"] == made.password == made.environment["PREFECT_SERVER_API_AUTH_STRING"]
    assert (got["DAWIN_STORE"], got["no_proxy"]) == ("s3://bucket/store", "localhost,10.0.0.1")
    assert made.environment["PREFECT_API_DATABASE_CONNECTION_URL"].endswith("@db/prefect")
    assert "secret" not in str(got)


def test_every_pool_has_a_password_of_its_own(tmp_path):
    """Two pools of one folder share the name of their job, by which the second cancels a job of the first."""
    first, second = pool(tmp_path), pool(tmp_path)
    assert first.password != second.password
    assert first._name == second._name != pool(tmp_path / "other")._name


def test_private_files_are_replaced_whole(tmp_path):
    """They have mode 600, also in place of a file that others could read, and nothing else is left behind."""
    file = tmp_path / "environment"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_values_with_a_line_break_are_left_out():
    """A line could not hold them, and a second line would set another variable."""
    assert as_lines({"B": "b c", "A": "x\nPATH=/tmp"}) == "B=b c\n"


def test_a_command_of_slurm_that_fails_is_an_error_with_its_output():
    """The message holds the command and what it printed."""
    with pytest.raises(RuntimeError, match=r"ls /nowhere: .*No such file"):
        slurm_pool.slurm("ls", "/nowhere")


class Parent:
    """Stands in for the process of `dawin run`, whose first wait an interrupt ends."""

    def __init__(self, waits):
        self.waits, self.signals = waits, []

    def __call__(self, command, **options):
        self.command, self.options = command, options
        return self

    def wait(self):
        outcome = self.waits.pop(0)
        if isinstance(outcome, int):
            return outcome
        raise outcome

    def send_signal(self, number):
        self.signals.append(number)


def test_a_run_on_the_pool_gives_its_exit_status(tmp_path, monkeypatch):
    """`--run` runs the experiment with the pool's variables, and ends as `dawin run` does."""
    parent, made = Parent([2]), pool(tmp_path)
    monkeypatch.setattr(slurm_pool.subprocess, "Popen", parent)
    assert slurm_pool.run(made, "my.yaml", "s3://bucket/store") == 2
    assert parent.command[1:] == ["-m", "flows.cli", "run", "my.yaml", "--store", "s3://bucket/store"]
    assert parent.options["env"] is made.environment
    assert parent.signals == []


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(1)], ids=["interrupt", "SIGTERM"])
def test_an_interrupt_reaches_the_run_once_and_is_waited_for(tmp_path, monkeypatch, end):
    """The run cancels its children while the pool still stands; a second interrupt would cut that short."""
    parent = Parent([end, 1])
    monkeypatch.setattr(slurm_pool.subprocess, "Popen", parent)
    with pytest.raises(type(end)):
        slurm_pool.run(pool(tmp_path), "my.yaml", "s")
    assert parent.signals == [signal.SIGINT]
    assert parent.waits == []
    assert parent.options["start_new_session"], "else the keyboard would send it too"


def test_the_job_is_submitted_without_secrets_on_the_command_line(tmp_path, monkeypatch):
    """The command line, which others can read, holds the path of the variables' file; the site's options come last."""
    asked = []
    monkeypatch.setattr(slurm_pool, "slurm", lambda *words: asked.append(words) or "17;cluster\n")
    made = pool(tmp_path, options=["--partition=gpu"])
    assert made._submit() == "17"
    (words,) = asked
    assert {"--array=0-1", "--export=HOME", f"--output={tmp_path}/worker-%A_%a.log"} <= set(words)
    assert words[-3:] == ("--partition=gpu", str(slurm_pool.SCRIPT), str(tmp_path / "environment"))
    assert made.password.partition(":")[2] not in " ".join(words)


def test_without_postgresql_the_database_is_not_on_the_shared_file_system(tmp_path, monkeypatch):
    """SQLite does not work there; an address of the environment goes first."""
    monkeypatch.setattr(slurm_pool.Postgres, "is_installed", staticmethod(lambda: False))
    made = pool(tmp_path / "shared")
    kind, _, path = made.environment["PREFECT_API_DATABASE_CONNECTION_URL"].partition(":///")
    assert kind == "sqlite+aiosqlite"
    assert Path(path).parent.is_dir()
    assert tmp_path not in Path(path).parents
    made.stop()
    assert not Path(path).parent.exists()
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "postgresql+asyncpg://db/prefect")
    assert pool(tmp_path / "shared").environment["PREFECT_API_DATABASE_CONNECTION_URL"].endswith("//db/prefect")
