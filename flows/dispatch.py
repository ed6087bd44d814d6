"""Where child flows run: the one seam between a laptop and a cluster."""

from collections.abc import Coroutine
from typing import Any

from prefect import Flow

from tasks.streaming import Tally


async def dispatch(child: Flow[..., Coroutine[Any, Any, Tally]], run_name: str, **parameters: Any) -> Tally:  # noqa: ANN401  the flow's own, checked by Prefect
    """Run a work item's flow to its end, and return what it did; a failed child fails its caller.

    Here it runs in this process, one at a time: one machine's cores, or its one GPU, are used up by one child.
    """
    tally: Tally = await child.with_options(flow_run_name=run_name)(**parameters)
    return tally
