"""Stores with something in them, on every back end; a test file may have its own of that name."""

import pytest
from damage import filled

from storage.store import Store


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    """Two sound objects of one table."""
    address = str(tmp_path / "store") if request.param == "local" else request.getfixturevalue(request.param)
    return filled(Store(address if request.param != "s3" else f"{address}/store"))


@pytest.fixture
def local(tmp_path):
    """The same in a folder: for what does not depend on the back end."""
    return filled(Store(str(tmp_path / "store")))
