"""`dawin ui`: show the runs of this machine in Prefect's pages."""

import argparse
import os

EXAMPLES = ("dawin ui", "dawin ui --port 8080")

_PORT = 4200  # where Prefect's own server listens


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--port`."""
    parser.add_argument(
        "--port", type=_port_number, help=f"port on 127.0.0.1 (default: {_PORT}, or a free one if that is used)"
    )


def _port_number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"wanted a number from 1 to {2**16 - 1}, got {text!r}")
    return int(text)


def execute(options: argparse.Namespace) -> int:
    """Serve the pages until an interrupt; with `PREFECT_API_URL`, print the address of that server's pages."""
    from flows.workers.embedded_api import EmbeddedApi

    if url := os.environ.get("PREFECT_API_URL"):
        print(f"PREFECT_API_URL names a server, whose pages are at {url.rstrip('/').removesuffix('/api')}/runs")
        return 0
    api = EmbeddedApi(ui=True)
    api.start(_port(options.port))
    api.wait()
    assert api.process is not None
    home = os.environ.get("PREFECT_HOME") or "~/.prefect"
    address = os.environ["PREFECT_API_URL"].removesuffix("/api")
    print(f"runs recorded under {home}: {address}/runs\nCtrl-C ends it", flush=True)
    try:
        return api.process.wait()
    except KeyboardInterrupt:
        return 0


def _port(wanted: int | None) -> int:
    """Return the port that was asked for, else Prefect's own, else any free one."""
    from flows.errors import OrchestrationError
    from flows.workers.embedded_api import free_port

    if wanted is not None:
        return free_port(wanted)
    try:
        return free_port(_PORT)
    except OrchestrationError:
        return free_port()
