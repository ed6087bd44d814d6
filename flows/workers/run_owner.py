"""The process that owns a flow run, and whether it is still alive.

An embedded API serves one command, which owns the flow runs that the API creates. The API's process holds a lock on a
file under `PREFECT_HOME`, and each flow run stores the file's name (`created_by`). The kernel releases the lock at the
end of the process, for whatever reason; neither a reused process number nor a container's namespace can imitate that.
A file system that several machines share may keep the locks of each machine apart, so that an owner on another machine
counts as alive, whatever the lock says. So does an owner whose flow runs are in another database, where
`PREFECT_API_DATABASE_CONNECTION_URL` named one: only an API with that database can end them.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple
from uuid import UUID, uuid4

_BOOT = Path("/proc/sys/kernel/random/boot_id")  # equal in all containers of a machine, and new after each boot
_MACHINE = Path("/etc/machine-id")  # unlike a host name such as `localhost`, unique to a system


class Owner(NamedTuple):
    """A process that owns flow runs.

    Attributes:
        id: names its file, and is stored with its flow runs.
        machine: see `this_machine`.
        boot: id of the kernel's boot; empty if unknown.
        process: process number, for the UI.
        database: digest of the address of the database that holds its flow runs.
    """

    id: UUID
    machine: str
    boot: str
    process: int
    database: str

    @property
    def is_of_this_machine(self) -> bool:
        """Whether its lock means something here: it ran under this kernel, or on this machine before a restart."""
        return self.machine == this_machine() or (self.boot != "" and self.boot == _boot())


@contextmanager
def owner_file(folder: Path, database: str) -> Iterator[Owner | None]:
    """Hold the lock of a file for this process; yield its owner, or None if the file system has no locks.

    The file outlives the context: `forget` deletes it once all flow runs of the process have a final state.

    Args:
        folder: holds the files of owners; created if missing.
        database: digest of the database that holds the flow runs.
    """
    owner = Owner(uuid4(), this_machine(), _boot(), os.getpid(), database)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{owner.id}.new"
    with unfinished.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            unfinished.unlink()
            yield None
            return
        json.dump({**owner._asdict(), "id": str(owner.id)}, file)
        file.flush()
        unfinished.rename(_path(folder, owner.id))  # no other process sees the file before it is locked
        yield owner


@contextmanager
def ended_owners(folder: Path, database: str) -> Iterator[list[Owner]]:
    """Yield the owners in a database whose process has ended; no other process finds them inside the context.

    Args:
        folder: holds the files of owners.
        database: digest of the database that holds their flow runs.
    """
    files: list[IO[str]] = []
    try:
        ended = [owner for path in sorted(folder.glob("*.json")) if (owner := _ended(path, files))]
        yield [owner for owner in ended if owner.database == database]
    finally:
        for file in files:
            file.close()


def forget(folder: Path, owner: UUID) -> None:
    """Delete the file of an owner without open flow runs."""
    _path(folder, owner).unlink(missing_ok=True)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Enter the context once no other process is in it for the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "start.lock").open("w") as file:
        with suppress(OSError):  # a file system without locks: processes do not wait for each other
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ended(path: Path, files: list[IO[str]]) -> Owner | None:
    """Return the owner in a file if its process has ended; add the locked file to `files`."""
    try:
        file = path.open("r+")
        files.append(file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = json.load(file)
        owner = Owner(**{**content, "id": UUID(content["id"])})
    except (OSError, ValueError, KeyError, TypeError):  # alive, deleted by another process, or damaged
        return None
    return owner if owner.is_of_this_machine else None


def _path(folder: Path, owner: UUID) -> Path:
    return folder / f"{owner}.json"


def this_machine(id_file: Path = _MACHINE) -> str:
    """Return the name of this machine: its host name, and its unique id if it has one.

    Args:
        id_file: holds the unique id.
    """
    unique = id_file.read_text().strip() if id_file.exists() else ""
    return f"{socket.gethostname()} {unique}".strip()


def _boot() -> str:
    return _BOOT.read_text().strip() if _BOOT.exists() else ""
