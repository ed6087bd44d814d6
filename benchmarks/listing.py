"""A data set of millions of loose files: processor time and memory of its listing, samples and digest.

The program writes empty image files in a thousand class folders, and removes them at the end. A plain walk of the
folder, which looks at each file once (`os.scandir` and `stat`), runs before and after, in processes of their own.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.children import run_child
from benchmarks.reporting import report

_CLASSES = 1000


def make(folder: Path, files: int) -> None:
    """Write empty files into class folders, as `class0012/image-00024001.jpg`."""
    for label in range(_CLASSES):
        own = folder / f"class{label:04d}"
        own.mkdir(parents=True)
        for number in range(label * files // _CLASSES, (label + 1) * files // _CLASSES):
            os.close(os.open(f"{own}/image-{number:08d}.jpg", os.O_CREAT | os.O_WRONLY, 0o644))


def walk(folder: str) -> int:
    """Look at each file of a folder once; return their number."""
    found, waiting = 0, [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append(entry.path)
                else:
                    entry.stat()
                    found += 1
    return found


def listed(folder: str) -> int:
    """List a folder as a data set, with the digest of its samples; return their number."""
    from tasks.datasets.preprocessing import Preprocessing
    from tasks.opening.list_samples import list_dataset

    preprocessing = Preprocessing(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
    return len(list_dataset(folder, None, preprocessing).samples)


_STEPS: dict[str, Callable[[str], int]] = {"plain walk": walk, "listing, samples and digest": listed}


def _measure(step: str, folder: str, warm: str) -> None:
    """Print the seconds and the growth of peak memory of a step, after the same step on a small folder."""
    _STEPS[step](warm)  # loads the libraries
    before, processor, wall = _peak(), time.process_time(), time.perf_counter()
    files = _STEPS[step](folder)
    seconds = time.process_time() - processor
    print(files, seconds, time.perf_counter() - wall, _peak() - before)


def _peak() -> int:
    """Return the peak memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _row(step: str, folder: Path, warm: Path) -> dict[str, Any]:
    ended = run_child(["-m", "benchmarks.listing", "--measure", step, "--folder", str(folder), "--warm", str(warm)])
    files, seconds, wall, peak = map(float, ended.shown.split())
    return {"step": step, "files": int(files), "CPU s": seconds, "wall s": wall, "bytes a file": peak / files}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2_000_000)
    parser.add_argument("--folder", help="where the files are made and removed (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the files, and use those that an earlier run left")
    parser.add_argument("--measure", choices=sorted(_STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--warm", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        _measure(arguments.measure, arguments.folder, arguments.warm)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        warm = Path(temporary) / "warm"
        make(warm, _CLASSES)
        folder = Path(arguments.folder or temporary) / f"files-{arguments.files}"
        if not folder.exists():
            make(folder, arguments.files)
        try:
            plain, *order = _STEPS
            rows = [_row(step, folder, warm) for step in (plain, *order, plain)]
        finally:
            if not arguments.keep:
                shutil.rmtree(folder)
    walked = (rows[0]["CPU s"] + rows[-1]["CPU s"]) / 2
    for row in rows:
        row["times the walk"] = row["CPU s"] / walked
    report("listing", rows, arguments)


if __name__ == "__main__":
    sys.exit(main())
