"""The example of many tasks, built once, and the whole comparison on it."""

import multi_task as example
import pytest


@pytest.fixture(scope="session")
def multi_task(tmp_path_factory):
    """The folder of three tasks: checkpoints, heads, images, `multi.yaml`."""
    return example.build(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="session")
def table(multi_task, prefect_api):
    """Result rows of every method on every task, and the store's address."""
    store = str(multi_task / "store")
    return example.run(multi_task / "multi.yaml", store), store
