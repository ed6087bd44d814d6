"""A running fork server."""

import pytest
from fork_runs import Server


@pytest.fixture
def server(tmp_path):
    started = Server(tmp_path)
    try:
        yield started
    finally:
        started.stop()
