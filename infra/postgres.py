"""A temporary PostgreSQL for a local pool, if PostgreSQL is installed: SQLite is slow with two busy workers."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

_PLACES = "/usr/lib/postgresql"  # Debian has a folder for each version below it
_STOP_SECONDS = 10.0


class Postgres:
    """A database server in a temporary folder, which answers on 127.0.0.1 only; `stop` deletes the folder.

    It asks for a password, so that other users of the machine cannot connect to it.

    Attributes:
        url: the database's address, for PREFECT_API_DATABASE_CONNECTION_URL; it contains the password.

    Raises:
        RuntimeError: the database could not be initialised; the message holds the program's output.
    """

    def __init__(self) -> None:
        # PostgreSQL refuses to run as root
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="dawin-postgres-"))  # which no other user can open
        word, password = self._folder / "password", secrets.token_urlsafe(24)
        word.write_text(password)
        for path in (self._folder, word) if self._user else ():
            shutil.chown(path, self._user)
        access = ("--username=prefect", "--auth=scram-sha-256", f"--pwfile={word}")
        self._run("initdb", *access, "--encoding=UTF8", "--no-sync", "--pgdata=data")
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
        self.url = f"postgresql+asyncpg://prefect:{password}@127.0.0.1:{port}/postgres"

    @staticmethod
    def is_installed() -> bool:
        """Return whether its programs are installed, and a user other than root can run them."""
        try:
            if os.geteuid() == 0:
                pwd.getpwnam("postgres")
        except KeyError:
            return False
        return bool(_program("initdb") and _program("postgres"))

    def stop(self) -> None:
        """End the server and delete its folder."""
        self._process.send_signal(signal.SIGINT)  # a "fast" shutdown, which closes open connections
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
    """Return the path of a program of the newest installed version; empty if none is installed."""
    versions = sorted(Path(_PLACES).glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return shutil.which(name) or str(versions[-1] if versions else "")
