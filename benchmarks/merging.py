"""Measure the processor time of merging checkpoints from safetensors files, over the plainest loops that do the same.

Each row is a process of its own, in turn with its plain loop in another one.

- `weight-average`, `ties`, `tsv-merge` and `iso-c`: a made model, from the files to the committed object.
- `task-arithmetic`: the same arithmetic as the average's, to a file.
- `evaluation`: all models loaded as an evaluation does, which keeps copies of them in memory, and merged once.

The plain loops load each file with safetensors and add it to a sum in place, then write the sum to a file
(`evaluation`: keep copies of all models, and write nothing); select the threshold of each task vector (`ties`, which
neither trims nor elects there); decompose the matrices that the method decomposes (`tsv-merge`, `iso-c`), of towers cut
to `--blocks` blocks, since their decompositions take minutes.

The digests of the files are known, as they are to a run that has checked its inputs; `--hashed` computes them anew. The
bound of the memory is that of `benchmarks.merge_memory`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.children import run_child
from benchmarks.merge_memory import made_by, peak, references_of, sizes, warm_up, write_models
from benchmarks.options import children_environment, options
from benchmarks.plain_merging import PLAIN, coefficients
from benchmarks.reporting import report

DECOMPOSING = ("tsv-merge", "iso-c")
METHODS = ("weight-average", "task-arithmetic", "evaluation", "ties", *DECOMPOSING)
BOUNDED = ("weight-average", "task-arithmetic", "ties")  # an evaluation holds all models; towers are cut for SVDs
Run = Callable[[], object]


def made(method: str, folder: Path, *, hashed: bool) -> Run:
    """Return a function that makes a method's model and commits it."""
    from storage.store import Store
    from tasks.model_merging import make_model
    from tasks.streaming.reading import Reading

    model = made_by(method, references_of(folder, hashed=hashed))
    store = Store(tempfile.mkdtemp(dir=folder))
    return lambda: make_model.fn(model, store, reading=Reading(batch_size=1))


def summed(folder: Path, *, hashed: bool) -> Run:
    """Return a function that merges by task arithmetic into a file."""
    from tasks.merging.views import outline
    from tasks.merging.weighted_sums import weighted_sums
    from tasks.models.files.safetensors_file import write_safetensors
    from tasks.models.lazy_state import open_state
    from tasks.opening.verified_files import verified

    models = references_of(folder, hashed=hashed)

    def run() -> None:
        with ExitStack() as files, (folder / "task-arithmetic.out").open("wb") as merged:
            opened = [(model, files.enter_context(verified(model))) for model in models]
            states = [open_state(file, model.url, path) for model, (file, path) in opened]
            write_safetensors(merged, outline(states[0]), weighted_sums(states, coefficients(len(models))))

    return run


def in_memory(folder: Path, *, hashed: bool) -> Run:
    """Return a function that loads all models as an evaluation does, and merges them by task arithmetic."""
    from tasks.merging.merged_models import FlatWeights
    from tasks.models.checkpoint import read_checkpoint
    from tasks.opening.verified_files import load_file

    models = references_of(folder, hashed=hashed)

    def run() -> object:
        weights = FlatWeights([load_file(model, read_checkpoint) for model in models], share=True)
        merged = weights.vectors[0].new_empty(len(weights.vectors[0]))
        weights.merge(coefficients(len(models)), merged)
        return weights, merged

    return run


def _measure(method: str, folder: Path, *, plain: bool, hashed: bool) -> None:
    warm_up()
    if plain:
        run: Run = lambda: PLAIN[method](folder)  # noqa: E731
    else:
        own = {"task-arithmetic": summed, "evaluation": in_memory}.get(method)
        run = own(folder, hashed=hashed) if own else made(method, folder, hashed=hashed)
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
        "of the bound": used / (1.2 * size + largest * (arguments.checkpoints - 1)) if method in BOUNDED else None,
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
    for blocks, group in ((0, METHODS[:4]), (arguments.blocks, DECOMPOSING)):
        if chosen := [method for method in group if method in arguments.methods]:
            with tempfile.TemporaryDirectory() as name:
                written = ["--write", str(blocks), "--folder", name, "--checkpoints", str(arguments.checkpoints)]
                run_child(["-m", "benchmarks.merging", *written, "--arch", arguments.arch])
                rows += [_row(method, Path(name), arguments) for method in chosen]
    report("merging", rows, arguments)
    return None


if __name__ == "__main__":
    sys.exit(main())
