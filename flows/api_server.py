"""Prefect's API in a process of its own: `python -m flows.api_server PORT`. It ends when its standard input does."""

import os
import signal
import sys
import threading

import uvicorn
from prefect.server.api.server import create_app


def _end_with_parent() -> None:
    """Wait for the end of standard input: whoever started this is gone, however it ended."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    uvicorn.run(create_app(ephemeral=True, final=True), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
