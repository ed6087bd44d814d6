"""A parent flow run from this process: Prefect's API started or found, the pool checked, the flow run."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from flows.experiment.settings import Experiment
from flows.workers.embedded_api import keep_errors_short, prefect_api
from flows.workers.quick_imports import without_collection

T = TypeVar("T")


def need_prefect() -> None:
    """Start an API unless one is configured; if a work pool is configured, check it."""
    prefect_api.start()
    prefect_api.revive()  # of a process that has run before, such as a notebook's
    from flows.workers.pool import check_pool, pool  # noqa: PLC0415  imports Prefect, which reads its settings then

    if pool():
        prefect_api.wait()
        asyncio.run(check_pool())


def run_flow(experiment: Experiment, start: Callable[[], Coroutine[Any, Any, T]], *, verbose: bool) -> T:
    """Run a flow in this process, and return its result.

    Args:
        experiment: names and tags the run.
        start: imports the flow and calls it; it is called once the API runs.
        verbose: whether the console shows Prefect's log lines.

    Raises:
        Exception: the error of the flow run.
    """
    with without_collection():
        need_prefect()
        from prefect import tags  # noqa: PLC0415  see above
        from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

        from flows.workers.tags import tags_of  # noqa: PLC0415

    prefect_api.wait()
    keep_errors_short(verbose)
    # a program may have imported Prefect before, which read its settings then
    address = temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]})
    with address, tags(*tags_of(experiment)):
        return asyncio.run(start())
