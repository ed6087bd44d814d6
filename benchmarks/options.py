"""Options of all benchmarks, and their effect on processes."""

import argparse
import os

PRECISIONS = ("fp32", "bf16", "fp16")


def options(
    description: str | None, *, arch: str = "ViT-B-32-quickgelu", batch: int = 16, runs: int = 3
) -> argparse.ArgumentParser:
    """Return a parser with the common options, to which a benchmark adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--arch", default=arch, help="an open_clip model")
    parser.add_argument("--batch", type=int, default=batch, help="images in a batch")
    parser.add_argument("--threads", type=int, help="threads of the processor (default: all)")
    parser.add_argument("--device", default=None, help="cpu or cuda (default: cuda if available)")
    parser.add_argument("--dtype", choices=PRECISIONS, default="fp32")
    parser.add_argument("--runs", type=int, default=runs, help="runs of each compared function, in turn")
    return parser


def children_environment(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the variables that make child processes follow the options."""
    environment = {} if arguments.threads is None else {"OMP_NUM_THREADS": str(arguments.threads)}
    return environment | ({"CUDA_VISIBLE_DEVICES": ""} if arguments.device == "cpu" else {})


def settle(arguments: argparse.Namespace) -> None:
    """Make this process follow the options, and fill in the defaults that depend on the machine."""
    import torch

    arguments.device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    arguments.threads = arguments.threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(arguments.threads)
    if arguments.device == "cuda":
        torch.set_float32_matmul_precision("highest")
