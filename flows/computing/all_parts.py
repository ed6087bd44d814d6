"""All parts of a plan, each computed as soon as its own inputs are there."""

from functools import partial

from flows.computing.computation import Computation
from flows.computing.failures import ends_all, error_of
from flows.computing.walk import walk
from flows.experiment.settings import Experiment
from flows.planning.part_order import longest_first, one_by_one
from flows.planning.plan import Plan
from flows.planning.plan_parts import parts_of
from flows.workers.pool import pool


async def compute_parts(plan: Plan, key: str, experiment: Experiment) -> None:
    """Compute the missing tables of all parts of a plan, in this process or on the pool.

    Args:
        plan: everything to compute.
        key: the plan's key in the store.
        experiment: names and tags the children.

    Raises:
        DatasetsFailed: some data sets failed; the tables of the others are complete.
        Exception: all failed for this reason, or a child was cancelled.
    """
    on_pool = pool() is not None
    order = longest_first if on_pool else one_by_one
    parts = order(parts_of(plan, on_pool=on_pool))
    computation, at_once = Computation(plan, key, experiment, parts), None if on_pool else 1
    try:
        ends = partial(ends_all, store=plan.store.url)
        failures = await walk(parts, computation.compute, at_once=at_once, is_fatal=ends)
    finally:
        computation.close()
    if failures:
        raise error_of(failures, parts)
