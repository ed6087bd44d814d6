"""Where child flows run: the one seam between a laptop and a cluster."""

from collections.abc import Awaitable
from typing import Any, Protocol

from tasks.streaming import Tally


class ChildFlow(Protocol):
    """A flow of one work item."""

    def with_options(self, *, flow_run_name: str) -> Any:  # noqa: ANN401  prefect's own, generic beyond use
        """Return the same flow under a run name."""

    def __call__(self, **parameters: Any) -> Awaitable[Tally]:  # noqa: ANN401  plain parameters
        """Run it."""


async def dispatch(child: ChildFlow, run_name: str, **parameters: Any) -> Tally:  # noqa: ANN401  plain parameters
    """Run a work item's flow to its end, and return what it did; a failed child fails its caller.

    Here it runs in this process, one at a time: one machine's cores, or its one GPU, are used up by one child.
    """
    tally: Tally = await child.with_options(flow_run_name=run_name)(**parameters)
    return tally
