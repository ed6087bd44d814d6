"""Which process a flow run belongs to, and whether that process still lives.

An embedded API serves one command only, so the flow runs that it creates are that command's. It holds a lock on a file
under `PREFECT_HOME` as long as it lives, and the flow runs bear the file's name (`created_by`). The lock is the
kernel's: it is gone when the process is, however that ended, and no reused process number and no namespace of a
container can imitate it. A file system that other machines share may keep locks to each machine, so a file of another
machine counts as alive, whatever its lock says. So does one whose flow runs lie in another database, where
`PREFECT_API_DATABASE_CONNECTION_URL` named one: they can be ended only by an API that has it.
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

_BOOT = Path("/proc/sys/kernel/random/boot_id")  # the same for all containers of a machine, another after each boot
_MACHINE = Path(
    "/etc/machine-id"
)  # one a system, where there is one: a host name such as `localhost` is many machines'


class Owner(NamedTuple):
    """A process that owns flow runs."""

    id: UUID
    machine: str
    boot: str
    process: int
    database: str
    """A digest of where its flow runs are."""

    @property
    def is_of_this_machine(self) -> bool:
        """Whether its lock can be judged here: it ran under this kernel, or on this machine before a restart."""
        return self.machine == _machine() or (self.boot != "" and self.boot == _boot())


@contextmanager
def owner_file(folder: Path, database: str) -> Iterator[Owner | None]:
    """Hold a file that says that this process lives; None where the file system has no locks.

    The file stays: it is deleted with `forget`, once no flow run of the process is left open.
    """
    owner = Owner(uuid4(), _machine(), _boot(), os.getpid(), database)
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
        unfinished.rename(_path(folder, owner.id))  # nobody sees it before it is locked
        yield owner


@contextmanager
def ended_owners(folder: Path, database: str) -> Iterator[list[Owner]]:
    """Find the owners in a database whose process has ended; until the context ends no other process finds them too."""
    files: list[IO[str]] = []
    try:
        ended = [owner for path in sorted(folder.glob("*.json")) if (owner := _ended(path, files))]
        yield [owner for owner in ended if owner.database == database]
    finally:
        for file in files:
            file.close()


def forget(folder: Path, owner: UUID) -> None:
    """Delete an owner's file: it has no open flow run any more."""
    _path(folder, owner).unlink(missing_ok=True)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is in this context on the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "start.lock").open("w") as file:
        with suppress(OSError):  # a file system without locks: as it would be without this function
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _ended(path: Path, files: list[IO[str]]) -> Owner | None:
    try:
        file = path.open("r+")
        files.append(file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = json.load(file)
        owner = Owner(**{**content, "id": UUID(content["id"])})
    except (OSError, ValueError, KeyError, TypeError):  # alive, deleted by another process, or no file of ours
        return None
    return owner if owner.is_of_this_machine else None


def _path(folder: Path, owner: UUID) -> Path:
    return folder / f"{owner}.json"


def _machine() -> str:
    known = _MACHINE.read_text().strip() if _MACHINE.exists() else ""
    return f"{socket.gethostname()} {known}".strip()


def _boot() -> str:
    return _BOOT.read_text().strip() if _BOOT.exists() else ""
