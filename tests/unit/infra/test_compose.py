"""compose.yaml against the schema of the compose specification and the project; broken copies are refused."""

from pathlib import Path

import pytest
import yaml
from compose_file import Missing, faults, read, required
from image_file import command_faults, commands, copies, declared_arguments

pytest.importorskip("check_jsonschema", reason="holds the schema of the compose specification; not installed")

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "infra" / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text()
PASSWORDS = {"POSTGRES_PASSWORD", "DAWIN_S3_SECRET_KEY"}
VALUES = dict.fromkeys(PASSWORDS, "x")


def test_the_file_has_no_fault():
    """It fits the schema, its variables have defaults or messages, its references exist, and it holds no password."""
    assert faults(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("  init: true\n", "", None),
        ("  init: true", "  inti: true", "services.cpu: Unevaluated properties"),
        ("timeout: 5s, retries", "timeout: [5s], retries", "healthcheck.timeout: ['5s'] is not of type"),
        ("capabilities: [gpu]", "", "'capabilities' is a required property"),
        ("volumes: {database: {}, objects: {}}", "volumes: {database: {}}", "s3: objects is not among volumes"),
        ("objects: {}}", "objects: {}, more: {}}", "volumes: no service uses more"),
        ("configs: [{source: s3,", "configs: [{source: s4,", "s3: s4 is not among configs"),
        ("{database: {condition", "{databases: {condition", "server: depends on databases, which is no service"),
        ("    healthcheck: {test", "    x-check: {test", "waits until database is healthy, which has no healthcheck"),
        ('restart: "no"', "restart: always", "cpu: waits until setup ends, which is started again"),
        ("http://s3:8333", "http://objects:8333", "cpu: an address of objects, which is no service"),
        ("${DAWIN_WATCH:-}", "${DAWIN_WATCH}", "${DAWIN_WATCH}: wanted a default, ${DAWIN_WATCH:-…}"),
        ("${DAWIN_WATCH:-}", "$DAWIN_WATCH", "$DAWIN_WATCH: wanted a default"),
        (":?set it, for example in infra/.env} #", ":?} #", "${POSTGRES_PASSWORD:?}: the message is empty"),
        ("${POSTGRES_PASSWORD:?set it, for example in infra/.env} #", "prefect #", "POSTGRES_PASSWORD: a password in"),
        ("${POSTGRES_PASSWORD:?set it, for example in infra/.env} #", "${X:-hidden} #", "file: ${X:-hidden}"),
        ("${DAWIN_S3_SECRET_KEY:?set it, for example in infra/.env}\"", 'dawin-dawin"', "in the file: dawin-dawin"),
        ("http://server:4200/api", "http://dawin:hidden@server:4200/api", "a password in the file: hidden"),
    ],
)  # fmt: skip
def test_a_broken_copy_is_refused(old, new, fault):
    """Each change of the file that compose or a stranger would stumble over is found, and no harmless one."""
    assert old in TEXT
    found = faults(TEXT.replace(old, new, 1))
    assert (found == []) if fault is None else any(fault in line for line in found), found


@pytest.mark.parametrize("name", sorted(PASSWORDS))
def test_a_missing_password_is_an_error_that_says_so(name):
    """Compose refuses the file without the variable, or with an empty one, and names it and a place to set it."""
    assert required(TEXT) == PASSWORDS
    for values in (dict.fromkeys(PASSWORDS - {name}, "x"), VALUES | {name: ""}):
        with pytest.raises(Missing, match=f"required variable {name} is missing a value: set it.* infra/.env"):
            read(TEXT, values)


def test_the_server_and_the_database_agree_on_the_password():
    """The same variable sets the password of PostgreSQL and of Prefect, that of the S3 server and of its clients."""
    services = read(TEXT, {"POSTGRES_PASSWORD": "p", "DAWIN_S3_SECRET_KEY": "s"})
    database, server = (services["services"][name]["environment"] for name in ("database", "server"))
    assert database["POSTGRES_PASSWORD"] == server["PREFECT_SERVER_DATABASE_PASSWORD"] == "p"
    assert database["POSTGRES_USER"] == server["PREFECT_SERVER_DATABASE_USER"]
    assert database["POSTGRES_DB"] == server["PREFECT_SERVER_DATABASE_NAME"]
    worker = services["services"]["cpu"]["environment"]
    [identity] = yaml.safe_load(services["configs"]["s3"]["content"])["identities"]
    [keys] = identity["credentials"]
    assert (keys["accessKey"], keys["secretKey"]) == (worker["AWS_ACCESS_KEY_ID"], worker["AWS_SECRET_ACCESS_KEY"])


def test_prefect_reads_the_parts_of_the_databases_address(monkeypatch):
    """Prefect makes one address of them, whatever signs the password has."""
    from prefect.settings import get_current_settings
    from prefect.settings.context import temporary_settings
    from sqlalchemy.engine import make_url

    environment = read(TEXT, VALUES | {"POSTGRES_PASSWORD": "a@b:/%x"})["services"]["server"]["environment"]
    monkeypatch.delenv("PREFECT_API_DATABASE_CONNECTION_URL", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with temporary_settings():
        settings = type(get_current_settings())()
    url = make_url(settings.server.database.connection_url.get_secret_value())
    assert (url.drivername, url.host, url.database) == ("postgresql+asyncpg", "database", "prefect")
    assert (url.username, url.password) == ("prefect", "a@b:/%x")


def test_every_command_of_the_file_exists():
    """Prefect's commands take their options, and scripts lie in the image."""
    for name, service in read(TEXT, VALUES)["services"].items():
        if "build" not in service:
            continue
        found = commands(service["command"])
        assert found, name
        for command in found:
            assert command_faults(command, ROOT) == []
            assert all(copies(DOCKERFILE, word) for word in command if word.startswith("infra/"))


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("prefect worker start --pol gpu", "Unknown option"),
        ("prefect work-poll create gpu", "Unknown command"),
        ("prefect work-pool create gpu --base-job-template infra/process/template.json", "the project has no infra/"),
        ("python infra/heartbeat.py", "the project has no infra/heartbeat.py"),
        ("sh infra/workers.sh", "the project has no infra/workers.sh"),
        ("dawn run", "not a program of the image"),
    ],
)
def test_a_command_that_does_not_exist_is_refused(command, fault):
    """A misspelt command, option or file is found, and named."""
    [found] = command_faults(command.split(), ROOT)
    assert fault in found


def test_build_arguments_are_those_of_the_dockerfile():
    """Each service is built from the project's folder with arguments that the Dockerfile declares."""
    builds = [service["build"] for service in yaml.safe_load(TEXT)["services"].values() if "build" in service]
    assert builds
    for build in builds:
        assert (ROOT / "infra" / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()
        assert set(build.get("args", {})) <= declared_arguments(DOCKERFILE)
