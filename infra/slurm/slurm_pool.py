"""A pool on a Slurm cluster: a Prefect server on the login node, and an array job with a worker for each GPU.

    python infra/slurm/slurm_pool.py EXPERIMENT.yaml --store URI --gpus 8 [--run] [-- --partition=gpu --time=12:00:00]

Options after `--` are those of `sbatch`. The folder (`--folder`) must lie on a file system that the compute nodes
share. It keeps the logs, and the server's address and password in files that only their owner can read.

The program runs until an interrupt, or with `--run` until the experiment has ended. It then cancels the array job and
ends the server. docs/slurm.md describes the parts, for those who start them one by one.
"""

import argparse
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from local_pool import LocalPool
from postgres import Postgres

SCRIPT = Path(__file__).with_name("gpu-worker.sbatch")
_DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_")
_LIBRARIES = ("LANG", "LC_", "LD_LIBRARY_PATH", "MKL_", "OMP_", "OPENBLAS_", "PATH", "PYTHON", "XDG_CACHE_HOME")
_FOR_WORKERS = ("AWS_", "DAWIN_", "HF_", "PREFECT_", *_PROXIES, *_LIBRARIES)
"""How the names of variables begin that a worker gets from the environment of this program."""
_REMEDY = "give --host, an address at which the compute nodes reach this machine"
_NOT_FOR_WORKERS = (_DATABASE, "PREFECT_SERVER_API_AUTH_STRING", "DAWIN_CPU_POOL")


class SlurmPool(LocalPool):
    """A server and a CPU worker on this machine, and GPU workers in the tasks of an array job.

    A pool in the same folder that was killed before it could cancel its array job is cancelled first.

    Args:
        folder: on a file system that the compute nodes share; keeps logs, and the files `environment` and `password`.
        experiment: path or name of the experiment file that the deployment `run-experiment/scheduled` runs.
        store: address of the store, which the compute nodes can reach.
        gpus: number of tasks of the array job.
        host: address or name of this machine, at which the compute nodes reach it; None: the one of its host name.
        port: the server's; None: a free one.
        options: further options of `sbatch`.
        watch: path or name of the experiment file that is watched for new checkpoints; empty: none is watched.
        silence: seconds without a heartbeat after which a run is marked Crashed; heartbeats come every 30 seconds.

    Attributes:
        job: number of the array job; empty before `start`.
        environment_file: the variables of the workers.
        password: `name:password` of the server's basic authentication.
    """

    def __init__(
        self,
        folder: Path,
        experiment: str,
        store: str,
        gpus: int,
        *,
        host: str | None = None,
        port: int | None = None,
        options: Sequence[str] = (),
        watch: str = "",
        silence: float = 100,
    ) -> None:
        super().__init__(folder, experiment, store, 0, watch=watch, silence=silence)
        self._tasks, self._options = gpus, options
        self._name = f"dawin-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
        self._is_submitted, self.job = False, ""
        self._own: tempfile.TemporaryDirectory[str] | None = None  # of a database
        self.environment_file = folder / "environment"
        self.password = f"dawin:{secrets.token_urlsafe(24)}"
        host = host or own_address()
        self.url = f"http://{host}:{port or self.url.rpartition(':')[2]}"
        direct = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), host)))
        self.environment |= {
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_API_AUTH_STRING": self.password,
            "PREFECT_SERVER_API_AUTH_STRING": self.password,
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "no_proxy": direct,
            "NO_PROXY": direct,
        }
        if database := os.environ.get(_DATABASE):
            self.environment[_DATABASE] = database
        elif not Postgres.is_installed():  # SQLite does not work on the file system that the nodes share
            self._own = tempfile.TemporaryDirectory(prefix="dawin-database-")
            self.environment[_DATABASE] = f"sqlite+aiosqlite:///{self._own.name}/prefect.db"

    def start(self) -> None:
        """Start the server, its pools and the CPU worker, and submit the array job.

        Raises:
            RuntimeError: the server did not start, or a command of Prefect's or of Slurm's failed.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cancel()
        write_private(self._folder / "password", self.password + "\n")
        write_private(self.environment_file, as_lines(self._of_workers()))
        super().start()
        self._is_submitted = True
        self.job = self._submit()

    def stop(self) -> None:
        """Cancel the array job, and end the server and the CPU worker."""
        try:
            if self._is_submitted:
                self._cancel()
        except RuntimeError as error:
            print(f"job {self.job} of {self._name} was not cancelled: {error}", file=sys.stderr)
        finally:
            super().stop()
            if self._own:
                self._own.cleanup()

    def _of_workers(self) -> dict[str, str]:
        """Return the variables of a worker on a compute node, without the address of the server's database."""
        return {
            name: value
            for name, value in self.environment.items()
            if name.startswith(_FOR_WORKERS) and name not in _NOT_FOR_WORKERS
        }

    def _submit(self) -> str:
        logs = self._folder / "worker-%A_%a.log"
        asked = [f"--array=0-{self._tasks - 1}", f"--output={logs}", f"--job-name={self._name}", "--export=HOME"]
        shown = slurm("sbatch", "--parsable", *asked, *self._options, str(SCRIPT), str(self.environment_file))
        return shown.strip().partition(";")[0]  # a cluster's name may follow

    def _cancel(self) -> None:
        slurm("scancel", "--quiet", f"--user={os.geteuid()}", f"--name={self._name}")


def slurm(program: str, *arguments: str) -> str:
    """Run a command of Slurm's and return its standard output.

    Raises:
        RuntimeError: the command does not exist or failed; the message holds its output.
    """
    try:
        ended = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RuntimeError(f"{program}: no such command; start the pool on a machine that submits Slurm jobs") from None
    if ended.returncode:
        raise RuntimeError(f"{program} {' '.join(arguments)}: {ended.stdout}{ended.stderr}".strip())
    return ended.stdout


def own_address() -> str:
    """Return the address of this machine's host name.

    Raises:
        RuntimeError: the name has no address, or one that other machines cannot reach.
    """
    name = socket.gethostname()
    try:
        found = socket.gethostbyname(name)
    except OSError as error:
        raise RuntimeError(f"{name}: no address ({error}); {_REMEDY}") from error
    if found.startswith("127."):
        raise RuntimeError(f"{name} has the address {found}; {_REMEDY}")
    return found


def as_lines(variables: dict[str, str]) -> str:
    """Return lines `NAME=value`; variables with a line break cannot be written, and are left out."""
    return "".join(f"{name}={value}\n" for name, value in sorted(variables.items()) if "\n" not in value)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; a reader sees the old content or the new one."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    partial.replace(path)


def run(pool: SlurmPool, experiment: str, store: str) -> int:
    """Run an experiment on the pool and return its exit status; an interrupt ends the run, and then this program."""
    command = [sys.executable, "-m", "flows.cli", "run", experiment, "--store", store]
    # in a session of its own: the keyboard's interrupt reaches it once, from here
    parent = subprocess.Popen(command, env=pool.environment, start_new_session=True)
    try:
        return parent.wait()
    except (KeyboardInterrupt, SystemExit):
        parent.send_signal(signal.SIGINT)
        parent.wait()
        raise


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command line; `sbatch` holds those after `--`."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="Options after `--` are those of sbatch, such as --partition=gpu."
    )
    parser.add_argument("experiment", help="path or name of an experiment file")
    parser.add_argument("--store", required=True, help="address of the store, which the compute nodes can reach")
    parser.add_argument("--gpus", type=int, default=1, help="number of workers, each with a GPU of its own")
    parser.add_argument("--run", action="store_true", help="run the experiment, then end the pool")
    parser.add_argument("--watch", default="", help="path or name of an experiment file to watch for new checkpoints")
    parser.add_argument("--host", help="address of this machine for the nodes; default: that of its host name")
    parser.add_argument("--port", type=int, help="the server's port; default: a free one")
    parser.add_argument("--folder", type=Path, default=Path("dawin-slurm"), help="shared folder of logs and addresses")
    own = list(arguments)
    end = own.index("--") if "--" in own else len(own)
    options = parser.parse_args(own[:end])
    if options.gpus < 1:
        parser.error(f"--gpus {options.gpus}: wanted a positive number")
    options.sbatch = own[end + 1 :]
    return options


def pool_of(options: argparse.Namespace) -> SlurmPool:
    """Return the pool of a command line, with the absolute paths of its files."""
    experiment, watch = (
        str(Path(name).resolve()) if name and Path(name).exists() else name
        for name in (options.experiment, options.watch)
    )
    store = options.store if "://" in options.store else str(Path(options.store).resolve())
    return SlurmPool(
        options.folder.resolve(),
        experiment,
        store,
        options.gpus,
        host=options.host,
        port=options.port,
        options=options.sbatch,
        watch=watch,
    )


def main(arguments: Sequence[str]) -> int:
    """Run a pool until an interrupt, or an experiment on it; return the exit status."""
    options = options_of(arguments)
    pool = None
    try:
        pool = pool_of(options)
        os.environ["no_proxy"] = pool.environment["no_proxy"]  # this program asks whether the server answers
        pool.start()
        print(f"UI:      {pool.url}, name and password in {options.folder}/password", flush=True)
        print(f"workers: job {pool.job}, logs in {options.folder}", flush=True)
        if options.run:
            return run(pool, pool.environment["DAWIN_EXPERIMENT"], pool.environment["DAWIN_STORE"])
        word = f'PREFECT_API_AUTH_STRING="$(cat {options.folder}/password)"'
        print(f"use it:  export PREFECT_API_URL={pool.url}/api DAWIN_GPU_POOL=gpu {word}", flush=True)
        signal.pause()
    except RuntimeError as error:
        print(f"slurm_pool.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130 if options.run else 0
    finally:
        if pool:
            pool.stop()
    return 0


if __name__ == "__main__":
    for ended in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ended, lambda *_: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
