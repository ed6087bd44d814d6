"""A pool on one machine, without containers: a Prefect server, its work pools and deployments, a worker a GPU.

The server's database is PostgreSQL where that is installed, else SQLite, which is slow as soon as two workers are busy,
and stands still for a minute now and then (README.md says why).

    python infra/local_pool.py EXPERIMENT.yaml --store URI [--gpus 2]

It runs until it is interrupted, and takes its processes with it. `Pool` is what the tests start.
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
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # a wrong API URL fails at once, and makes no database of its own
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds; the automation of `heartbeats.py` waits for three
    "PREFECT_WORKER_QUERY_SECONDS": "1",  # how often a worker asks for runs; by default 10
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",  # how soon a schedule is known; by default 60
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dawin",
}


class LocalPool:
    """A server and its workers.

    Args:
        folder: for the database and the processes' logs.
        experiment: path or name of the experiment file that deployments run.
        store: address of the store.
        gpus: workers of the GPU pool, each with a device of its own in `CUDA_VISIBLE_DEVICES`.
        landing: path or name of the experiment file that is watched for new checkpoints; empty: none is.
        silence: seconds without a heartbeat after which a run is taken for dead; they come every 30.

    Attributes:
        environment: of whatever is to use the pool.
        processes: the server's and the workers', by name; of one that was started anew the new one.
    """

    def __init__(
        self, folder: Path, experiment: str, store: str, gpus: int = 2, *, landing: str = "", silence: float = 100
    ) -> None:
        self._folder, self._gpus, self._silence = folder, gpus, silence
        self._database: Postgres | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},  # another's
            **_QUIET,
            "PATH": os.pathsep.join([str(Path(_prefect()).parent), os.environ.get("PATH", os.defpath)]),  # its `python`
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"{self.url}/api",
            "DAWIN_GPU_POOL": "gpu",
            "DAWIN_CPU_POOL": "cpu",
            "DAWIN_EXPERIMENT": experiment,
            "DAWIN_LANDING": landing,
            "DAWIN_STORE": store,
        }

    def start(self) -> None:
        """Start the server, make pools and deployments, start the workers.

        Raises:
            RuntimeError: the server did not come up, or something could not be made; the log is named.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if Postgres.is_installed():
            self._database = Postgres()
            self.environment["PREFECT_API_DATABASE_CONNECTION_URL"] = self._database.url
        self.start_server()
        with ThreadPoolExecutor() as at_once:
            list(at_once.map(self.create_pool, ("cpu", "gpu")))
            self.start_worker("cpu0", "cpu", limit=4)
            for number in range(self._gpus):
                self.start_gpu_worker(number)
            watching = at_once.submit(self._watch_heartbeats)
            self.prefect("--no-prompt", "deploy", "--all")
            watching.result()

    def create_pool(self, name: str) -> None:
        """Create a work pool of processes, or set one back to what it should be."""
        template = str(ROOT / "infra" / "process" / "job-template.json")
        self.prefect("work-pool", "create", name, "--type", "process", "--base-job-template", template, "--overwrite")

    def start_server(self) -> subprocess.Popen[bytes]:
        """Start the server, also anew on the same database, and wait for it."""
        host, port = self.url.removeprefix("http://").split(":")
        server = self._begin("server", [_prefect(), "server", "start", "--host", host, "--port", port])
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"{self.url}/api/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Prefect server did not start; see {self._folder}/server.log")
            time.sleep(0.2)
        return server

    def start_worker(self, name: str, pool: str, *, limit: int, **environment: str) -> None:
        """Start a worker of a pool."""
        command = [_prefect(), "worker", "start", "--pool", pool, "--name", name, "--limit", str(limit)]
        self._begin(name, command, **environment)

    def start_gpu_worker(self, number: int) -> None:
        """Start the worker of one GPU, also anew."""
        self.start_worker(f"gpu{number}", "gpu", limit=1, CUDA_VISIBLE_DEVICES=str(number))

    def prefect(self, *arguments: str) -> str:
        """Run a command of Prefect's, and return what it printed."""
        ended = subprocess.run(
            [_prefect(), *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"prefect {' '.join(arguments)}: {ended.stdout}{ended.stderr}")
        return ended.stdout

    def stop(self) -> None:
        """End everything that was started here, workers first, and what they started."""
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

    def _watch_heartbeats(self) -> None:
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
                start_new_session=True,  # a group of its own, children of a worker included
            )
        self._started.append(process)
        self.processes[name] = process
        return process


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def _prefect() -> str:
    beside = Path(sys.executable).with_name("prefect")
    return str(beside) if beside.exists() else shutil.which("prefect") or "prefect"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def main() -> None:
    """Run a pool until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", help="path or name of the experiment file that deployments run")
    parser.add_argument("--landing", default="", help="of the one that is watched for new checkpoints")
    parser.add_argument("--store", default=os.environ.get("DAWIN_STORE", "./dawin-store"))
    parser.add_argument("--gpus", type=int, default=2, help="workers of the GPU pool")
    parser.add_argument("--folder", type=Path, default=Path("dawin-pool"), help="for the database and logs")
    options = parser.parse_args()
    store = options.store if "://" in options.store else str(Path(options.store).resolve())
    experiment, landing = (
        str(Path(name).resolve()) if name and Path(name).exists() else name
        for name in (options.experiment, options.watched)
    )
    pool = LocalPool(options.folder.resolve(), experiment, store, options.gpus, landing=landing)
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
