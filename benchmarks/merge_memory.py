"""Peak memory of merging the weights of many models, from safetensors files to the merged file.

Tensors come and go one at a time, so the limit is not the models but one tensor of each. A bound of 1.2 × the merged
model + M × the largest tensor is what the merges are held to; TIES looks at one whole task vector for its threshold.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.reporting import report

METHODS = ("ties", "tsv-merge", "iso-c", "model-stock", "weight-average")


def _write(arch: str, folder: Path, models: int) -> None:
    import open_clip
    import safetensors.torch
    import torch

    base = {f"visual.{n}": t for n, t in open_clip.create_model(arch).visual.state_dict().items()}
    for i in range(models + 1):
        torch.manual_seed(i)
        state = {n: t + 0.01 * torch.randn_like(t) if i else t for n, t in base.items()}
        safetensors.torch.save_file(state, folder / f"{i}.safetensors")


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _merge(method: str, folder: Path, models: int) -> None:
    import torch

    from storage.identity import digest_of_file
    from storage.store import Store
    from tasks.model_merging import make_model
    from tasks.models.lazy_state import open_state
    from tasks.references.models import MadeModel, ModelReference
    from tasks.streaming.reading import Reading

    references = []
    for i in range(models + 1):
        path = folder / f"{i}.safetensors"
        with path.open("rb") as file:
            digest = digest_of_file(file)
            file.seek(0)
            outline = open_state(file, str(path)).outline()  # type: ignore[attr-defined]
        references.append(ModelReference(name=str(i), url=str(path), digest=digest, temperature=1.0, architecture=None))
    torch.linalg.svd(torch.randn(2, 64, 64))  # what its library sets aside the first time
    sizes = [tensor.numel() * tensor.element_size() / 2**20 for tensor in outline.values()]
    options_of = (("keep", 0.2),) if method == "ties" else ()
    merge = MadeModel(method=method, models=tuple(references), options=options_of)
    before, began = _peak(), time.perf_counter()
    make_model(merge, Store(str(folder / f"store-{method}")), reading=Reading(batch_size=1))
    print(f"{sum(sizes)} {max(sizes)} {_peak() - before} {time.perf_counter() - began}")


def main() -> None:
    """Measure."""
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
        for method in METHODS:
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
