"""A pool of two workers whose children run in the test's own process, so that a test sees each of them."""

from flows.computing import all_parts, computation
from flows.workers import children
from flows.workers.dispatch import child_flow
from flows.workers.sharing import Share


async def run_here(child, _ends=None):
    """Run a child to its end; return no time, as for a child that was sent again."""
    await child_flow(child.flow).with_options(flow_run_name=child.name)(**child.parameters)


def use_pool_here(monkeypatch, send=run_here):
    """Let runs send their children to this pool.

    Args:
        monkeypatch: of the test.
        send: called with each child and the wait for ends, in place of `run_here`.
    """

    async def share(_pool):
        return Share(workers=2, runs=1)

    monkeypatch.setattr(computation, "send_child", send)
    monkeypatch.setattr(computation, "share_of", share)
    for module in (all_parts, computation, children):
        monkeypatch.setattr(module, "pool", lambda: "here")
