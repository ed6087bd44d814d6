"""Time and memory of the exact merged model of every sample, against one plain pass of one model.

The limit is the number of products: with M models those of M plain passes, and everything else of one pass. The
baselines are a plain pass; a merge into a preallocated model for each image; and the method of the reference code: for
each batch and each of three clusters, a deep copy of the model with merged weights.
"""

import argparse
import copy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.children import run_child
from benchmarks.options import children_environment, options, settle
from benchmarks.reporting import report, spread

CLUSTERS = 3
_ONE_BY_ONE = "merge, then run, one by one"


def _measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import torch

    from benchmarks.models import classifiers, in_turn
    from tasks.merging.combination import combine
    from tasks.merging.merged_models import FlatWeights
    from tasks.merging.per_sample import merge_per_sample
    from tasks.streaming.inference import DTYPES

    device, batch, dtype = arguments.device, arguments.batch, DTYPES[arguments.dtype]
    rows = []
    for count in arguments.models:
        model, states = classifiers(arguments.arch, count, device)
        module = merge_per_sample(model, states, dtype=None if arguments.dtype == "fp32" else dtype)
        weights = FlatWeights(states)
        alone, vector = weights.empty_model(model)
        size = model.visual.image_size
        side = size[0] if isinstance(size, tuple) else size
        images = torch.randn(batch, 3, side, side, device=device)
        c = torch.distributions.Dirichlet(torch.ones(count)).sample((batch,))
        few = min(batch, arguments.one_by_one)

        def plain(model: Any = model, images: Any = images) -> None:
            model(images)

        def per_sample(module: Any = module, images: Any = images, c: Any = c) -> None:
            module(images, c)

        def one_by_one() -> None:
            for i in range(few):  # noqa: B023  called in this iteration
                weights.merge(c[i].tolist(), vector)  # noqa: B023
                alone(images[i : i + 1])  # noqa: B023

        def reference() -> None:
            for cluster in range(CLUSTERS):
                made = copy.deepcopy(model)  # noqa: B023
                made.load_state_dict(combine(states, c[cluster].tolist()))  # noqa: B023
                made(images[cluster::CLUSTERS])  # noqa: B023

        compared = {"one plain pass": plain, f"per sample, M = {count}": per_sample}
        if count == arguments.models[0]:
            compared |= {_ONE_BY_ONE: one_by_one, "merge per batch × cluster, deep copy": reference}
        with torch.inference_mode(), torch.autocast(device, dtype=dtype, enabled=arguments.dtype != "fp32"):
            seconds = in_turn(compared, arguments)
        if _ONE_BY_ONE in seconds:  # which ran on a few images of the batch
            seconds[_ONE_BY_ONE] = [value * batch / few for value in seconds[_ONE_BY_ONE]]
        rows += _rows(seconds, batch)
    return rows


def _rows(seconds: Mapping[str, list[float]], batch: int) -> list[dict[str, Any]]:
    """Return a row for each pass over a batch."""
    from benchmarks.models import ratio

    return [
        {
            "pass": name,
            "ms an image": spread([1000 * value / batch for value in values]),
            "× plain": ratio(values, seconds["one plain pass"]),
        }
        for name, values in seconds.items()
    ]


def _memory(arguments: argparse.Namespace) -> None:
    """Print the MiB that a pass needs at its peak above those held before it, and the MiB of the tower."""
    import torch

    from benchmarks.models import classifiers
    from tasks.merging.per_sample import merge_per_sample

    count = arguments.memory
    model, states = classifiers(arguments.arch, max(count, 1), "cpu")
    tower = sum(tensor.numel() * tensor.element_size() for tensor in states[0].values()) / 2**20
    side = model.visual.image_size[0]  # type: ignore[index]
    images = torch.randn(arguments.batch, 3, side, side)
    rows = torch.full((arguments.batch, max(count, 1)), 1 / max(count, 1))
    run: Any = model
    if count:
        run = merge_per_sample(model, states)
        run.prepare((3, side, side))
        del model, states
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    with torch.inference_mode():
        if count:
            run(images, rows)
        else:
            run(images)
    print(f"{_status('VmHWM') - before} {tower}")


def _status(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def _memory_rows(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    found = []
    for count in (0, *arguments.models):
        own = ["-m", "benchmarks.per_sample", "--memory", str(count), "--arch", arguments.arch]
        own += ["--batch", str(arguments.batch), "--threads", str(arguments.threads)]
        ended = run_child(own, **children_environment(arguments), MALLOC_MMAP_THRESHOLD_="65536")
        above, tower = map(float, ended.shown.split()[-2:])
        found.append(
            {"pass": f"per sample, M = {count}" if count else "plain", "tower MiB": tower, "above it MiB": above}
        )
    for row in found:
        row["× plain"] = row["above it MiB"] / found[0]["above it MiB"]
    return found


def main() -> None:
    """Measure and print the table; on a CPU also the table of memory."""
    parser = options(__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[2, 8])
    parser.add_argument(
        "--one-by-one", type=int, default=8, help="images of the merge-then-run loop, whose time is scaled to a batch"
    )
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    settle(arguments)
    if arguments.memory is not None:
        _memory(arguments)
        return
    report("per_sample", _measure(arguments), arguments)
    if arguments.device == "cpu":
        print("\nmemory that a pass needs above the models:")
        report("per_sample_memory", _memory_rows(arguments), arguments)


if __name__ == "__main__":
    sys.exit(main())
