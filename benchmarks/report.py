"""The report of a large run: seconds, peak memory and size of `dawin report`, in a process of its own.

The store is made up: 6 data sets of 50,000 samples and 12 methods, written by the project's own writers, with results
aggregated from them. Images are read for the forty pictures alone.

    python -m benchmarks.report --samples 50000
"""

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.children import run_child
from benchmarks.reporting import report

_CLASSES, _PHOTOS, _ROWS = 100, 24, 500  # classes; different pictures; pictures in a row group of Parquet
_METHODS = ("individual", "wise-ft/0.20", "wise-ft/0.50", "wise-ft/0.80", "weight-average")
_BASELINES = (*_METHODS, "output-ensemble", "classifier-selection")


def _photos(path: Path, samples: int, seed: int) -> None:
    """Write a data set in Parquet: a few pictures of 224 × 224 pixels, again and again."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    random = np.random.default_rng(seed)
    encoded = []
    for _ in range(_PHOTOS):
        coarse = Image.fromarray(random.integers(0, 256, (14, 14, 3), dtype=np.uint8))
        out = io.BytesIO()
        coarse.resize((224, 224), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        encoded.append(out.getvalue())
    images = pa.array(encoded).take(pa.array(np.arange(samples) % _PHOTOS))
    table = pa.table({"image": images, "label": pa.array(np.arange(samples) % _CLASSES)})
    path.mkdir(parents=True)
    pq.write_table(table, path / "test.parquet", row_group_size=_ROWS)


def _experiment(folder: Path, sets: int) -> Any:
    from flows.experiment.settings import Experiment

    content = {
        "name": "large",
        "models": [{"name": name, "checkpoint": str(folder / f"{name}.pt")} for name in ("base", "tuned")],
        "datasets": [
            {"name": f"set-{i}", "images": str(folder / f"set-{i}"), "group": "ood" if i else "id"} for i in range(sets)
        ],
        "merge": {"granularity": ["clusters", "bins", "samples"]},
        "baselines": list(_BASELINES),
    }
    return Experiment.model_validate(content)


def make_up(place: str, samples: int, sets: int) -> None:
    """Write the store of a run and its images.

    Args:
        place: path of the folder that gets them.
        samples: of each data set.
        sets: number of data sets.
    """
    from benchmarks.made_up_run import write_run
    from flows.planning.datasets import Datasets
    from storage.store import Store
    from tasks.datasets.preprocessing import Preprocessing

    folder = Path(place)
    experiment, store = _experiment(folder, sets), Store(str(folder / "store"))
    for i, settings in enumerate(experiment.datasets):
        _photos(Path(settings.images), samples, i)
    preprocessing = Preprocessing(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
    datasets = Datasets()
    found = [datasets.find(settings, preprocessing).reference for settings in experiment.datasets]
    found = datasets.cut(found, [one.classes or 1 for one in found], store, remember=True)
    datasets.write_names(found, store)
    write_run(experiment, found, store)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000, help="of each data set")
    parser.add_argument("--sets", type=int, default=6)
    parser.add_argument("--folder", type=Path, help="where the store is made, and kept (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        made = folder / "store" / "results"
        url = str(folder / "store")
        if not made.exists():  # in a process of its own, since a child's peak memory counts that of its parent at first
            asked = f"{str(folder)!r}, {arguments.samples}, {arguments.sets}"
            run_child(["-c", f"from benchmarks.report import make_up; make_up({asked})"])
        page = folder / "report.html"
        ended = run_child(["-m", "flows.cli", "report", "large", "--store", url, "-o", str(page)])
        rows = [
            {
                "data sets": arguments.sets,
                "samples": arguments.sets * arguments.samples,
                "methods": 12,
                "seconds": ended.seconds,
                "peak MiB": ended.peak_mib,
                "page MiB": page.stat().st_size / 2**20,
            }
        ]
        report("report", rows, argparse.Namespace(samples=arguments.samples, sets=arguments.sets))


if __name__ == "__main__":
    main()
