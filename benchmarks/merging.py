"""Measure the processor time of merging checkpoints from safetensors files, over the plainest loops that do the same.

Each method runs in a process of its own, in turn with its plain loop in another one: `weight-average`, `ties`,
`tsv-merge` and `iso-c` as a made model, from the files to the committed object; `task-arithmetic` as an evaluation
makes it, all models in memory. The plain loops load each file with safetensors and

- add it to a sum in place (the one of `weight-average` writes the sum to a file),
- select the threshold of each task vector (the one of `ties`, which neither trims nor elects),
- decompose the matrices that the method decomposes (those of `tsv-merge` and `iso-c`), of towers cut to `--blocks`.

The digests of the files are known, as they are to a run that has checked its inputs; `--hashed` computes them anew. The
bound of the memory is that of `benchmarks.merge_memory`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.children import run_child
from benchmarks.merge_memory import made_by, peak, references_of, sizes, warm_up, write_models
from benchmarks.options import children_environment, options
from benchmarks.plain_merging import PLAIN, SCALE
from benchmarks.reporting import report

DECOMPOSING = ("tsv-merge", "iso-c")
METHODS = ("weight-average", "task-arithmetic", "ties", *DECOMPOSING)
Run = Callable[[], object]


def made(method: str, folder: Path, *, hashed: bool) -> Run:
    """Return a function that makes a method's model and commits it."""
    from storage.store import Store
    from tasks.model_merging import make_model
    from tasks.streaming.reading import Reading

    model = made_by(method, references_of(folder, hashed=hashed))
    store = Store(tempfile.mkdtemp(dir=folder))
    return lambda: make_model.fn(model, store, reading=Reading(batch_size=1))


def in_memory(folder: Path, *, hashed: bool) -> Run:
    """Return a function that loads all models as an evaluation does, and merges them by task arithmetic."""
    from tasks.merging.merged_models import FlatWeights
    from tasks.models.checkpoint import read_checkpoint
    from tasks.opening.verified_files import load_file

    models = references_of(folder, hashed=hashed)
    tuned = len(models) - 1

    def run() -> object:
        weights = FlatWeights([load_file(model, read_checkpoint) for model in models], share=True)
        merged = weights.vectors[0].new_empty(len(weights.vectors[0]))
        weights.merge((1 - SCALE * tuned, *[SCALE] * tuned), merged)
        return merged

    return run


def _measure(method: str, folder: Path, *, plain: bool, hashed: bool) -> None:
    warm_up()
    if plain:
        run: Run = lambda: PLAIN[method](folder)  # noqa: E731
    else:
        run = in_memory(folder, hashed=hashed) if method == "task-arithmetic" else made(method, folder, hashed=hashed)
    size, largest = sizes(references_of(folder)[0])
    before, began = peak(), time.process_time()
    kept = run()
    print(f"{time.process_time() - began} {peak() - before} {size} {largest}")
    del kept


def _row(method: str, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    own = ["-m", "benchmarks.merging", "--folder", str(folder), "--one", method]
    shown: dict[bool, list[list[float]]] = {True: [], False: []}
    for _ in range(1 if method in DECOMPOSING else arguments.runs):
        for plain in (False, True):
            options = ["--plain"] if plain else ["--hashed"] if arguments.hashed else []
            printed = run_child([*own, *options], **children_environment(arguments)).shown
            shown[plain].append(list(map(float, printed.split()[-4:])))
    ours, plain_ones = ([run[0] for run in shown[which]] for which in (False, True))
    _, used, size, largest = shown[False][0]
    return {
        "method": method,
        "CPU s": median(ours),
        "plain CPU s": median(plain_ones),
        "ratio": median(a / b for a, b in zip(ours, plain_ones, strict=True)),
        "peak MiB": used,
        "of the bound": used / (1.2 * size + largest * (arguments.checkpoints - 1)),
    }


def main() -> None:
    """Merge by each method and by its plain loop, and report a row for each method."""
    parser = options(__doc__)
    parser.add_argument("--checkpoints", type=int, default=9, help="files, the base among them")
    parser.add_argument("--blocks", type=int, default=1, help="transformer blocks in the files of the SVDs' methods")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--hashed", action="store_true", help="compute the digests of the files anew")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write is not None:
        return write_models(arguments.arch, arguments.folder, arguments.checkpoints - 1, arguments.write or None)
    if arguments.one:
        return _measure(arguments.one, arguments.folder, plain=arguments.plain, hashed=arguments.hashed)
    rows = []
    for blocks, group in ((0, METHODS[:3]), (arguments.blocks, DECOMPOSING)):
        if chosen := [method for method in group if method in arguments.methods]:
            with tempfile.TemporaryDirectory() as name:
                written = ["--write", str(blocks), "--folder", name, "--checkpoints", str(arguments.checkpoints)]
                run_child(["-m", "benchmarks.merging", *written, "--arch", arguments.arch])
                rows += [_row(method, Path(name), arguments) for method in chosen]
    report("merging", rows, arguments)
    return None


if __name__ == "__main__":
    sys.exit(main())
