"""Measure the peak memory of merging many models, from safetensors files to the merged file.

A merge reads one tensor of each model at a time, so its peak should stay below 1.2 × the merged model + M × the largest
tensor.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.children import run_child
from benchmarks.options import children_environment, options
from benchmarks.reporting import report

if TYPE_CHECKING:
    from tasks.references.models import MadeModel, ModelReference

NAMES = ("ties", "tsv-merge", "iso-c", "model-stock", "weight-average")


def write_models(arch: str, folder: Path, models: int, blocks: int | None = None) -> None:
    """Write a vision tower with random weights, and others near it, as safetensors files.

    Args:
        arch: an open_clip model.
        folder: gets the files `0.safetensors`, the base, `1.safetensors`, …
        models: the number of files after the base.
        blocks: transformer blocks to keep; None: all.
    """
    import open_clip
    import safetensors.torch
    import torch

    base = {f"visual.{n}": t for n, t in open_clip.create_model(arch).visual.state_dict().items() if _kept(n, blocks)}
    for i in range(models + 1):
        torch.manual_seed(i)
        state = {n: t + 0.01 * torch.randn_like(t) if i and t.is_floating_point() else t for n, t in base.items()}
        safetensors.torch.save_file(state, folder / f"{i}.safetensors")


def _kept(name: str, blocks: int | None) -> bool:
    _, is_block, rest = name.partition("resblocks.")
    return blocks is None or not is_block or int(rest.partition(".")[0]) < blocks


def references_of(folder: Path, *, hashed: bool = False) -> "tuple[ModelReference, ...]":
    """Return references of the files in a folder, the base first.

    Args:
        folder: as `write_models` fills it.
        hashed: whether to leave out the files' marks, so that each file is hashed when it is opened.
    """
    from storage.file_marks import mark_of
    from storage.identity import digest_of_file
    from tasks.references.models import ModelReference

    references = []
    for i in range(len(list(folder.glob("*.safetensors")))):
        path = folder / f"{i}.safetensors"
        with path.open("rb") as file:
            mark = "" if hashed else mark_of(file)
            digest = digest_of_file(file)
        references.append(
            ModelReference(name=str(i), url=str(path), digest=digest, temperature=1.0, architecture=None, mark=mark)
        )
    return tuple(references)


def made_by(method: str, models: "tuple[ModelReference, ...]") -> "MadeModel":
    """Return the reference of the model that a method makes with its default options."""
    from tasks.methods.registry import METHODS

    return METHODS[method].made_model(models, options=METHODS[method].options().model_dump())


def warm_up() -> None:
    """Load the library of the decompositions, which allocates work space on the first call."""
    import torch

    torch.linalg.svd(torch.randn(2, 64, 64))


def peak() -> float:
    """Return the peak memory of this process, MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def sizes(model: "ModelReference") -> tuple[float, float]:
    """Return the size of a model's file and that of its largest tensor, MiB."""
    from tasks.models.lazy_state import open_state

    with Path(model.url).open("rb") as file:
        outline = open_state(file, model.url).outline()  # type: ignore[attr-defined]
    found = [tensor.numel() * tensor.element_size() / 2**20 for tensor in outline.values()]
    return sum(found), max(found)


def _merge(method: str, folder: Path) -> None:
    from storage.store import Store
    from tasks.model_merging import make_model
    from tasks.streaming.reading import Reading

    models = references_of(folder)
    made = made_by(method, models)
    warm_up()
    size, largest = sizes(models[0])
    before, began = peak(), time.perf_counter()
    make_model.fn(made, Store(str(folder / f"store-{method}")), reading=Reading(batch_size=1))
    print(f"{size} {largest} {peak() - before} {time.perf_counter() - began}")


def main() -> None:
    """Merge by each method in a process of its own and report a row for each."""
    parser = options(__doc__)
    parser.add_argument("--models", type=int, default=8, help="M, the base not counted")
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--merge", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        return write_models(arguments.arch, arguments.folder, arguments.models)
    if arguments.merge:
        return _merge(arguments.merge, arguments.folder)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        own = ["-m", "benchmarks.merge_memory", "--folder", name, "--models", str(arguments.models)]
        run_child([*own, "--arch", arguments.arch, "--write"])
        for method in arguments.methods:
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
