"""A PostgreSQL of a cluster's own, where its programs are installed: SQLite is slow as soon as two workers are busy."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

_PLACES = "/usr/lib/postgresql"  # where Debian has a folder a version
_STOP_SECONDS = 10.0


class Postgres:
    """A database server in a temporary folder, on this machine's own address, gone with everything in it at the end.

    Attributes:
        url: as Prefect takes it.
    """

    def __init__(self) -> None:
        # it refuses to run as root
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="dawin-postgres-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "--username=prefect", "--auth=trust", "--encoding=UTF8", "--no-sync", "--pgdata=data")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "synchronous_commit": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", "data", "-p", str(port), *settings],
                cwd=self._folder,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"

    @staticmethod
    def is_installed() -> bool:
        """Whether its programs are there, and somebody other than root to run them."""
        try:
            if os.geteuid() == 0:
                pwd.getpwnam("postgres")
        except KeyError:
            return False
        return bool(_program("initdb") and _program("postgres"))

    def stop(self) -> None:
        """End it, and remove its folder."""
        self._process.send_signal(signal.SIGINT)  # "fast": does not wait for whoever is connected
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        command = [_program(program), *arguments]
        ended = subprocess.run(command, cwd=self._folder, user=self._user, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"{program}: {ended.stdout}{ended.stderr}")


def _program(name: str) -> str:
    """Return the path of a program, of the newest version that is there; empty when there is none."""
    versions = sorted(Path(_PLACES).glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return shutil.which(name) or str(versions[-1] if versions else "")
