"""The pool on one machine: a server of somebody else is not taken for its own."""

import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "infra"))

from local_pool import LocalPool, check_free


def test_a_port_in_use_is_refused_before_anything_starts(tmp_path):
    """Whoever listens there would answer in the server's place, and could command the workers."""
    pool = LocalPool(tmp_path, "my.yaml", str(tmp_path / "store"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        pool.url = f"http://127.0.0.1:{port}"
        with pytest.raises(RuntimeError, match=rf"port {port} of 127\.0\.0\.1: Address already in use; choose another"):
            pool.start_server()
    assert pool.processes == {}
    check_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    """No server could listen there."""
    with pytest.raises(RuntimeError, match=r"port 4200 of 192\.0\.2\.1: Cannot assign requested address"):
        check_free("192.0.2.1", 4200)
