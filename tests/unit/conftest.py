"""Stores with two objects, on every back end; a test file may define fixtures of the same names."""

import pytest
from damage import filled

from storage.store import Store


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    """Return a store with two sound objects of one table; the test runs once on each back end."""
    address = str(tmp_path / "store") if request.param == "local" else request.getfixturevalue(request.param)
    return filled(Store(address if request.param != "s3" else f"{address}/store"))


@pytest.fixture
def local(tmp_path):
    """Return such a store in a folder, for tests that do not depend on the back end."""
    return filled(Store(str(tmp_path / "store")))
