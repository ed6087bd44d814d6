"""How close runs on a pool come to the least possible time, in a simulation that decides by `flows.scheduling`.

    python -m benchmarks.schedule [--rate 250 4000] [--deaths 0.01] [--mix imagenet] [--workers 8 100]

Each figure is the makespan over a lower bound: the larger one of all computing on all workers without a pause, and of
the longest chain of objects of the store (extraction, fit, evaluation). The bound holds no start of a child and no
loading of models. `auto` is the schedule; the others have barriers between the stages: `fixed` cuts children of 8,192
samples, `whole` sends whole data sets. Each checkpoint is a run of its own, and all runs begin at the same time.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from statistics import mean
from typing import Any

from benchmarks.mixes import MIXES, PASSES, Runs, runs_of
from benchmarks.reporting import report
from benchmarks.simulated_pool import Outcome, Policy, Pool, Simulation
from flows.scheduling.sizes import Sizing

GOAL = 1.10
_TODAY = 64  # children in flight


def outcomes(runs: Runs, pool: Pool, seeds: int) -> dict[str, list[Outcome]]:
    """Return the outcomes of each way to schedule runs on a pool, one for each seed."""
    fixed = Policy(sizing=Sizing(samples=8192), in_flight=_TODAY)
    whole = Policy(sizing=Sizing(samples=None), in_flight=_TODAY)
    ways = {"auto": (runs, Policy()), "fixed": (runs.barred, fixed), "whole": (runs.barred, whole)}
    return {
        name: [Simulation(of.graphs, of.models, pool, policy, seed).run() for seed in range(1, seeds + 1)]
        for name, (of, policy) in ways.items()
    }


def row_of(found: dict[str, list[Outcome]]) -> dict[str, Any]:
    """Return the columns of a row: the means of all seeds."""
    auto = found["auto"]
    by_chain = [one.bound == one.chain for one in auto]
    return {
        "bound, s": mean(one.bound for one in auto),
        "by": "chain" if all(by_chain) else "work" if not any(by_chain) else "both",
        "children": round(mean(one.children for one in auto)),
        **{name: mean(one.ratio for one in ones) for name, ones in found.items()},
        "goal": "met" if mean(one.ratio for one in auto) <= GOAL else "",
    }


def rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield one row for each mix, number of checkpoints, granularity, rate, start and number of workers."""
    for mix in arguments.mix:
        for checkpoints in arguments.checkpoints:
            for granularity in arguments.granularity:
                runs = runs_of(MIXES[mix], checkpoints, granularity)
                what = {"mix": mix, "checkpoints": checkpoints, "granularity": granularity}
                for rate, start, workers in product(arguments.rate, arguments.start, arguments.workers):
                    pool = Pool(workers=workers, rate=rate, start_seconds=start, deaths=arguments.deaths)
                    found = outcomes(runs, pool, arguments.seeds)
                    yield {**what, "rate": rate, "start, s": start, "workers": workers, **row_of(found)}


def main() -> None:
    """Simulate all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mix", nargs="+", choices=MIXES, default=["imagenet", "eight tasks"])
    parser.add_argument("--checkpoints", nargs="+", type=int, default=[1, 10, 100])
    parser.add_argument("--granularity", nargs="+", choices=PASSES, default=list(PASSES))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 8, 100, 1000])
    parser.add_argument("--start", nargs="+", type=float, default=[1.5, 6.0], help="seconds in which a child starts")
    parser.add_argument("--rate", nargs="+", type=float, default=[250.0, 4000.0], help="passes a second of a worker")
    parser.add_argument("--deaths", type=float, default=0.01, help="probability that a child dies")
    parser.add_argument("--seeds", type=int, default=3, help="simulations of each figure, which is their mean")
    arguments = parser.parse_args()
    report("schedule", list(rows(arguments)), arguments)


if __name__ == "__main__":
    main()
