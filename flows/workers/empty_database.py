"""An empty Prefect database, made once per installation and copied for each new `PREFECT_HOME`.

Prefect makes its SQLite database by running all of its migrations, which takes six seconds of one core, and the result
is the same each time. `python -m flows.workers.empty_database`, which `make install` calls, keeps it with the
installed packages; the embedded API copies it where no database exists yet. Without the file Prefect migrates as usual.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from sqlalchemy.engine import make_url


def empty_database() -> Path:
    """Return the path of the file, which exists after an installation; its name holds Prefect's version."""
    return Path(sys.prefix) / "share" / "dawin" / f"prefect-{version('prefect')}.db"


def copy_empty_database(url: str | None) -> bool:
    """Create the database at an address as a copy of the empty one; return whether it was.

    A database that exists stays as it is. The copy gets its name when it is complete.

    Args:
        url: address of a database, as SQLAlchemy writes it.
    """
    if url is None or not url.startswith("sqlite") or not (place := make_url(url).database) or ":memory:" in url:
        return False
    target, source = Path(place), empty_database()
    if target.exists() or not source.is_file():
        return False
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # the mode that Prefect uses
        shutil.copyfile(source, unfinished)
        unfinished.chmod(0o644)
        os.link(unfinished, target)  # fails if another process has made one meanwhile
    except OSError:  # a file system without links or room: Prefect migrates, and reports what is wrong
        return False
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return True


def make_empty_database() -> Path:
    """Run Prefect's migrations on a new database and keep it with the installed packages; return its path."""
    target = empty_database()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as home:
        os.environ.update(PREFECT_HOME=home, DO_NOT_TRACK="1", PREFECT_SERVER_ANALYTICS_ENABLED="false")
        from prefect.server.database import provide_database_interface  # noqa: PLC0415  reads the variable now

        async def create() -> None:
            database = provide_database_interface()
            await database.create_db()
            await (await database.engine()).dispose()

        asyncio.run(create())
        (Path(home) / "prefect.db").replace(target)
    return target


if __name__ == "__main__":
    sys.stdout.write(f"{make_empty_database()}\n")
