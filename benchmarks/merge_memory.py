"""Measure the peak memory of merging many models, from safetensors files to the merged file.

A merge reads one tensor of each model at a time, so its peak should stay below 1.2 × the merged model + M × the largest
tensor. TIES also holds one whole task vector, for its threshold.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.reporting import report

NAMES = ("ties", "tsv-merge", "iso-c", "model-stock", "weight-average")


def _write(arch: str, folder: Path, models: int) -> None:
    import open_clip
    import safetensors.torch
    import torch

    base = {f"visual.{n}": t for n, t in open_clip.create_model(arch).visual.state_dict().items()}
    for i in range(models + 1):
        torch.manual_seed(i)
        state = {n: t + 0.01 * torch.randn_like(t) if i and t.is_floating_point() else t for n, t in base.items()}
        safetensors.torch.save_file(state, folder / f"{i}.safetensors")


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _merge(method: str, folder: Path, models: int) -> None:
    import torch

    from storage.identity import digest_of_file
    from storage.store import Store
    from tasks.methods.registry import METHODS
    from tasks.model_merging import make_model
    from tasks.models.lazy_state import open_state
    from tasks.references.models import ModelReference
    from tasks.streaming.reading import Reading

    references = []
    for i in range(models + 1):
        path = folder / f"{i}.safetensors"
        with path.open("rb") as file:
            digest = digest_of_file(file)
            file.seek(0)
            outline = open_state(file, str(path)).outline()  # type: ignore[attr-defined]
        references.append(ModelReference(name=str(i), url=str(path), digest=digest, temperature=1.0, architecture=None))
    torch.linalg.svd(torch.randn(2, 64, 64))  # its library allocates work space on the first call
    sizes = [tensor.numel() * tensor.element_size() / 2**20 for tensor in outline.values()]
    family = METHODS[method]
    made = family.made_model(tuple(references), options=family.options().model_dump())
    before, began = _peak(), time.perf_counter()
    make_model(made, Store(str(folder / f"store-{method}")), reading=Reading(batch_size=1))
    print(f"{sum(sizes)} {max(sizes)} {_peak() - before} {time.perf_counter() - began}")


def main() -> None:
    """Merge by each method in a process of its own and report a row for each."""
    parser = options(__doc__)
    parser.add_argument("--models", type=int, default=8, help="M, the base not counted")
    parser.add_argument("--merge", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        return _write(arguments.arch, arguments.folder, arguments.models)
    if arguments.merge:
        return _merge(arguments.merge, arguments.folder, arguments.models)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        own = ["-m", "benchmarks.merge_memory", "--folder", name, "--models", str(arguments.models)]
        run_child([*own, "--arch", arguments.arch, "--write"])
        for method in NAMES:
            shown = run_child([*own, "--merge", method], **children_environment(arguments)).shown
            size, largest, peak, seconds = map(float, shown.split()[-4:])
            bound = 1.2 * size + largest * arguments.models
            rows.append(
                {
                    "method": method,
                    "model MiB": size,
                    "peak MiB": peak,
                    "bound MiB": bound,
                    "of the bound": peak / bound,
                    "s": seconds,
                }
            )
    report("merge_memory", rows, arguments)
    return None


if __name__ == "__main__":
    sys.exit(main())
