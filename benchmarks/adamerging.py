"""Time the steps of AdaMerging on the quickstart's tower, and measure its peak memory in units of one tower.

A step on D tasks makes one merge and D forward and backward passes. Memory holds M task vectors, the base, one merged
tower, and the activations of one batch. A separate child measures the activations: it runs one forward and backward
pass through a plain tower and drops each gradient at once. Both children return freed memory to the system at once.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

from benchmarks.children import run_child
from benchmarks.options import children_environment, options, settle
from benchmarks.reporting import report


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _steps(arguments: argparse.Namespace) -> None:
    """Print the seconds of learning on random images with the quickstart's tower and four tasks."""
    import torch

    from flows.quickstart.training import new_classifier
    from tasks.merging.learnt_coefficients import LearntCoefficients, learn

    modules = [new_classifier(seed) for seed in range(5)]
    states = [module.state_dict() for module in modules]
    images = torch.randn(arguments.batch, 3, 32, 32)
    merging = LearntCoefficients(states[0], states[1:], layer_wise=arguments.layer_wise)
    names = "abcd"
    began = time.perf_counter()
    learn(
        merging,
        dict.fromkeys(names, modules[0]),
        {name: {} for name in names},
        {name: itertools.repeat(images) for name in names},
        steps=arguments.steps,
    )
    print(time.perf_counter() - began)


def _memory(arguments: argparse.Namespace) -> None:
    """Print the MiB of a tower, and of the activations (`--plain`) or of learning for two steps."""
    import open_clip
    import torch
    from torch import nn

    from tasks.merging.learnt_coefficients import LearntCoefficients, learn, mean_entropy

    tower = open_clip.create_model(arguments.arch).visual.eval().requires_grad_(False)
    size = sum(t.numel() * t.element_size() for t in tower.state_dict().values()) / 2**20
    images = torch.randn(arguments.batch, 3, 224, 224)
    if arguments.plain:
        before = _peak()
        for parameter in tower.requires_grad_(True).parameters():
            parameter.register_post_accumulate_grad_hook(lambda tensor: setattr(tensor, "grad", None))
        mean_entropy(tower(images)).backward()
        print(f"{size} {_peak() - before}")
        return

    class Lazily(dict[str, torch.Tensor]):  # a tuned model, read tensor by tensor as from a safetensors file
        def __getitem__(self, name: str) -> torch.Tensor:
            return super().__getitem__(name) + 0.01

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = tower

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.visual(x)

    base = {f"visual.{n}": t for n, t in tower.state_dict().items()}
    before = _peak() - size  # the peak counts the base too
    merging = LearntCoefficients(
        base,
        [Lazily(base) for _ in range(arguments.models)],
        layer_wise=arguments.layer_wise,
        parameters={f"visual.{name}" for name, _ in tower.named_parameters()},
    )
    learn(
        merging,
        {"a": Alone(), "b": Alone()},
        {"a": {}, "b": {}},
        {"a": itertools.repeat(images), "b": itertools.repeat(images)},
        steps=2,
    )
    print(f"{size} {_peak() - before}")


def main() -> None:
    """Measure both kinds of coefficients and report a row for each."""
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--layer-wise", action="store_true")
    parser.add_argument("--child", choices=["steps", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        settle(arguments)
        return _steps(arguments) if arguments.child == "steps" else _memory(arguments)
    rows = []
    # the allocator returns blocks of a tensor's size, so the peak counts live tensors only
    environment = {**children_environment(arguments), "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    common = ["--arch", arguments.arch, "--batch", str(arguments.batch), "--models", str(arguments.models)]
    own = ["-m", "benchmarks.adamerging", *common, "--steps", str(arguments.steps), "--child"]
    for kind in ([], ["--layer-wise"]):
        seconds = float(run_child([*own, "steps", *kind], **environment).shown.split()[-1])
        size, activations = map(float, run_child([*own, "memory", "--plain"], **environment).shown.split()[-2:])
        peak = float(run_child([*own, "memory", *kind], **environment).shown.split()[-1])
        rows.append(
            {
                "coefficients": "layer-wise" if kind else "task-wise",
                f"{arguments.steps} steps, s": seconds,
                "tower MiB": size,
                "activations MiB": activations,
                "peak MiB": peak,
                "towers": (peak - activations) / size,
                "M + 2": arguments.models + 2,
            }
        )
    report("adamerging", rows, arguments)
    return None


if __name__ == "__main__":
    sys.exit(main())
