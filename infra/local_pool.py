"""A pool on one machine, without containers: a Prefect server, work pools, deployments and one worker for each GPU.

    python infra/local_pool.py EXPERIMENT.yaml --store URI [--gpus 2] [--watch WATCHED.yaml]

The server's database is PostgreSQL if that is installed. Otherwise it is SQLite, which is slow with two busy workers
and sometimes blocks for a minute (README.md gives the reason).

The program runs until an interrupt, and then ends all of its processes. The tests use the class `LocalPool`.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from postgres import Postgres

ROOT = Path(__file__).parents[1]
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a wrong API URL is an error, and starts no other API
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; the automation of `heartbeats.py` acts after three
    "PREFECT_WORKER_QUERY_SECONDS": "1",  # between two requests of a worker for runs; Prefect's default is 10
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",  # until a new schedule has runs; Prefect's default is 60
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dawin",
}


class LocalPool:
    """A server and its workers, as processes of this machine.

    Args:
        folder: keeps the database and the logs of the processes.
        experiment: path or name of the experiment file that the deployment `run-experiment/scheduled` runs.
        store: address of the store.
        gpus: number of workers of the GPU pool; each has its own device in `CUDA_VISIBLE_DEVICES`.
        watch: path or name of the experiment file that is watched for new checkpoints; empty: none is watched.
        silence: seconds without a heartbeat after which a run is marked Crashed; heartbeats come every 30 seconds.
        kind: type of the work pools, `warm-process` or `process`: whether a run's process is forked from a warm one.

    Attributes:
        url: address of the server and its UI.
        environment: the variables of a process that uses the pool.
        processes: server and workers by name; after a restart, the new process.
    """

    def __init__(
        self,
        folder: Path,
        experiment: str,
        store: str,
        gpus: int = 2,
        *,
        watch: str = "",
        silence: float = 100,
        kind: str = "warm-process",
    ) -> None:
        self._folder, self._gpus, self._silence, self._kind = folder, gpus, silence, kind
        self._database: Postgres | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
            },  # of another server
            **_QUIET,
            "PATH": os.pathsep.join(
                [str(Path(_prefect()).parent), os.environ.get("PATH", os.defpath)]
            ),  # workers start `python`
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"{self.url}/api",
            "DAWIN_GPU_POOL": "gpu",
            "DAWIN_CPU_POOL": "cpu",
            "DAWIN_EXPERIMENT": experiment,
            "DAWIN_WATCH": watch,
            "DAWIN_STORE": store,
        }

    def start(self) -> None:
        """Start the server, create pools, deployments and automations, and start the workers.

        Raises:
            RuntimeError: the server did not start (the message names its log), or a command of Prefect's failed.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if "PREFECT_API_DATABASE_CONNECTION_URL" not in self.environment and Postgres.is_installed():
            self._database = Postgres()
            self.environment["PREFECT_API_DATABASE_CONNECTION_URL"] = self._database.url
        self.start_server()
        with ThreadPoolExecutor() as concurrent:
            self.create_pools("cpu", "gpu")  # before their workers, which ask for the type
            self.start_worker("cpu0", "cpu", limit=4)
            for number in range(self._gpus):
                self.start_gpu_worker(number)
            automations = concurrent.submit(self._create_automations)
            self.prefect("--no-prompt", "deploy", "--all")
            automations.result()

    def create_pools(self, *names: str, kind: str | None = None) -> None:
        """Create work pools, unless they exist.

        Args:
            names: of the pools.
            kind: their type; by default that of all pools.

        Raises:
            RuntimeError: a pool of this name has another type.
        """
        kind = kind or self._kind
        template = ROOT / "infra" / "process" / "job-template.json"
        options = ["--base-job-template", str(template)] if kind == "process" else []
        self._run(sys.executable, str(ROOT / "infra" / "create_pools.py"), "--type", kind, *options, *names)

    def start_server(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers; after it was stopped, start it again on the same database.

        Raises:
            RuntimeError: the port is in use, or the server did not start.
        """
        host, port = self.url.removeprefix("http://").split(":")
        check_free(host, int(port))  # the server of somebody else would answer too, and get this pool's workers
        server = self._begin("server", [_prefect(), "server", "start", "--host", host, "--port", port])
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"{self.url}/api/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Prefect server did not start; see {self._folder}/server.log")
            time.sleep(0.2)
        if server.poll() is not None:
            raise RuntimeError(f"another server answers at {self.url}; see {self._folder}/server.log")
        return server

    def start_worker(self, name: str, pool: str, *, limit: int, **environment: str) -> None:
        """Start a worker of a pool.

        Args:
            name: of the worker and its log.
            pool: the work pool.
            limit: number of runs that it executes at a time.
            environment: further variables of its process.
        """
        command = [_prefect(), "worker", "start", "--pool", pool, "--name", name, "--limit", str(limit)]
        self._begin(name, command, **environment)

    def start_gpu_worker(self, number: int) -> None:
        """Start the worker of one GPU, for the first time or again."""
        self.start_worker(f"gpu{number}", "gpu", limit=1, CUDA_VISIBLE_DEVICES=str(number))

    def prefect(self, *arguments: str) -> str:
        """Run a command of Prefect's and return its standard output.

        Raises:
            RuntimeError: the command failed; the message holds its output.
        """
        return self._run(_prefect(), *arguments)

    def _run(self, *command: str) -> str:
        ended = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(command)}: {ended.stdout}{ended.stderr}")
        return ended.stdout

    def stop(self) -> None:
        """End all processes of the pool and their children, workers before the server."""
        for process in reversed(self._started):
            _end(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in reversed(self._started):
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            _end(process, signal.SIGKILL)
            process.wait()
        self._started.clear()
        if self._database:
            self._database.stop()

    def _create_automations(self) -> None:
        script = str(ROOT / "infra" / "heartbeats.py")
        subprocess.run([sys.executable, script, str(self._silence)], env=self.environment, check=True)

    def _begin(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its own process group, in which a worker's children or their stand-ins are
            )
        self._started.append(process)
        self.processes[name] = process
        return process


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def _prefect() -> str:
    neighbour = Path(sys.executable).with_name("prefect")
    return str(neighbour) if neighbour.exists() else shutil.which("prefect") or "prefect"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_free(host: str, port: int) -> None:
    """Check that a server can listen at an address.

    Raises:
        RuntimeError: another program listens there, or the host is not this machine.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that has ended frees its port at once
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RuntimeError(f"port {port} of {host}: {error.strerror or error}; choose another one") from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def main() -> None:
    """Run a pool until an interrupt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "experiment", help="path or name of the experiment file of the deployment run-experiment/scheduled"
    )
    parser.add_argument("--watch", default="", help="path or name of an experiment file to watch for new checkpoints")
    parser.add_argument(
        "--store", default=os.environ.get("DAWIN_STORE", "./dawin-store"), help="default: $DAWIN_STORE or ./dawin-store"
    )
    parser.add_argument("--gpus", type=int, default=2, help="number of workers of the GPU pool")
    parser.add_argument("--type", default="warm-process", choices=["warm-process", "process"], help="of the work pools")
    parser.add_argument("--folder", type=Path, default=Path("dawin-pool"), help="keeps the database and the logs")
    options = parser.parse_args()
    store = options.store if "://" in options.store else str(Path(options.store).resolve())
    experiment, watch = (
        str(Path(name).resolve()) if name and Path(name).exists() else name
        for name in (options.experiment, options.watch)
    )
    pool = LocalPool(options.folder.resolve(), experiment, store, options.gpus, watch=watch, kind=options.type)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        pool.start()
        print(f"UI:      {pool.url}\nlogs:    {options.folder}", flush=True)
        print(f"use it:  export PREFECT_API_URL={pool.url}/api DAWIN_GPU_POOL=gpu", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        pool.stop()


if __name__ == "__main__":
    main()
