"""The empty database that a new `PREFECT_HOME` begins with: a copy, complete or none, and never over another."""

import sqlite3

import pytest

from flows.workers import empty_database
from flows.workers.empty_database import copy_empty_database


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """An empty database of one table, as an installation keeps it."""
    source = tmp_path / "installed.db"
    database = sqlite3.connect(source)
    database.execute("CREATE TABLE flow_run (id)")
    database.commit()
    database.close()
    monkeypatch.setattr(empty_database, "empty_database", lambda: source)
    return source


def rows(path):
    """Return the number of rows of each table of a database."""
    database = sqlite3.connect(path)
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}
    database.close()
    return found


def test_a_new_home_gets_a_copy(prepared, tmp_path):
    """The folder is created, the tables exist, and no unfinished file stays."""
    target = tmp_path / "home" / "prefect.db"
    assert copy_empty_database(f"sqlite+aiosqlite:///{target}") is True
    assert rows(target) == {"flow_run": 0}
    assert [path.name for path in target.parent.iterdir()] == ["prefect.db"]
    assert target.parent.stat().st_mode & 0o777 == 0o700


def test_a_database_that_exists_stays(prepared, tmp_path):
    """Not one byte of it changes."""
    target = tmp_path / "prefect.db"
    target.write_bytes(b"mine")
    assert copy_empty_database(f"sqlite+aiosqlite:///{target}") is False
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize("url", [None, "postgresql+asyncpg://user@host/prefect", "sqlite+aiosqlite:///:memory:"])
def test_other_databases_are_left_to_prefect(prepared, url):
    """PostgreSQL, a database in memory, and none."""
    assert copy_empty_database(url) is False


def test_without_the_installed_file_prefect_migrates(monkeypatch, tmp_path):
    """Nothing is created, so that the migrations run."""
    monkeypatch.setattr(empty_database, "empty_database", lambda: tmp_path / "missing.db")
    assert copy_empty_database(f"sqlite+aiosqlite:///{tmp_path}/home/prefect.db") is False
    assert not (tmp_path / "home").exists()


def test_a_folder_that_cannot_be_written_is_left_to_prefect(prepared, tmp_path):
    """Its own error names the folder and the reason."""
    (tmp_path / "file").touch()
    assert copy_empty_database(f"sqlite+aiosqlite:///{tmp_path}/file/prefect.db") is False


def test_the_installed_database_has_all_migrations():
    """It is at the newest revision of the installed Prefect, and holds no row but that revision."""
    from alembic.script import ScriptDirectory
    from prefect.server.database.alembic_commands import alembic_config

    source = empty_database.empty_database()
    if not source.exists():
        pytest.skip("made by `make install`: python -m flows.workers.empty_database")
    assert {name for name, count in rows(source).items() if count} == {"alembic_version"}
    database = sqlite3.connect(source)
    (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    database.close()
    script = ScriptDirectory.from_config(alembic_config())
    script.version_locations = [f"{script.dir}/versions/sqlite"]
    assert revision in script.get_heads()
