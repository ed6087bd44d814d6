"""The options that all benchmarks take, and what they are run on."""

import argparse
import os

PRECISIONS = ("fp32", "bf16", "fp16")


def options(
    description: str | None, *, arch: str = "ViT-B-32-quickgelu", batch: int = 16, runs: int = 3
) -> argparse.ArgumentParser:
    """Return a parser that knows the options; a benchmark adds its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--arch", default=arch, help="an open_clip model")
    parser.add_argument("--batch", type=int, default=batch, help="images at a time")
    parser.add_argument("--threads", type=int, help="of the processor; default: all that there are")
    parser.add_argument("--device", default=None, help="cpu or cuda; default: cuda where there is one")
    parser.add_argument("--dtype", choices=PRECISIONS, default="fp32")
    parser.add_argument("--runs", type=int, default=runs, help="of each of the compared things, in turn")
    return parser


def children_environment(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the environment in which whole processes keep to the options."""
    environment = {} if arguments.threads is None else {"OMP_NUM_THREADS": str(arguments.threads)}
    return environment | ({"CUDA_VISIBLE_DEVICES": ""} if arguments.device == "cpu" else {})


def settle(arguments: argparse.Namespace) -> None:
    """Make this process keep to the options; fills in the defaults that depend on the machine."""
    import torch

    arguments.device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    arguments.threads = arguments.threads or len(os.sched_getaffinity(0))
    torch.set_num_threads(arguments.threads)
    if arguments.device == "cuda":
        torch.set_float32_matmul_precision("highest")
