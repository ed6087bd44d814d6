"""Reading and decoding the same pictures from an image folder, Parquet and tar shards: images a second.

The limit is the decoding, which is the same work in all three; what differs is how a picture's bytes are come by. The
layouts are read in turn, and what is quoted are the medians' ratios to the folder.

    python -m benchmarks.readers --samples 20000 --size 64 --workers 2
"""

import argparse
import io
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))  # writes the layouts


import formats

from benchmarks.reporting import report
from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.preprocessing import Preprocessing
from tasks.opening.list_samples import list_dataset

LAYOUTS = ("folder", "parquet", "tar")


def main() -> None:
    """Write the pictures three times, read them several times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64, help="pixels, of the pictures")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_CACHE_HOME"] = f"{temporary}/cache"
        _write(Path(temporary), options.samples, options.size)
        settings = Preprocessing(size=32, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
        seconds: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
        listing: dict[str, float] = {}
        for _ in range(options.rounds):
            for layout in LAYOUTS:
                began = time.perf_counter()
                samples = list_dataset(f"{temporary}/{layout}", None, settings).samples
                listing.setdefault(layout, time.perf_counter() - began)
                began = time.perf_counter()
                decoder = Decoder(samples, settings)
                count = 0
                for batch in batches(decoder, samples.labels, [(0, len(samples))], 256, options.workers):
                    count += len(batch.images)
                assert count == options.samples
                seconds[layout].append(time.perf_counter() - began)
    rates = {layout: options.samples / float(np.median(seconds[layout])) for layout in LAYOUTS}
    rows = [
        {
            "layout": layout,
            "first listing, s": listing[layout],
            "images a second": rates[layout],
            "× the folder's": rates[layout] / rates["folder"],
        }
        for layout in LAYOUTS
    ]
    report("readers", rows, options)


def _write(root: Path, samples: int, size: int) -> None:
    random = np.random.default_rng(0)
    few = []
    for _ in range(200):
        file = io.BytesIO()
        noise = random.integers(0, 256, (size // 8, size // 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        few.append(file.getvalue())
    pictures, labels = [few[i % 200] for i in range(samples)], np.arange(samples) * 100 // samples
    formats.write_folder(root / "folder", pictures, labels, "jpg")
    formats.write_parquet(root / "parquet", pictures, labels, shards=4, group=1000)
    formats.write_tars(root / "tar", pictures, labels, shards=8, suffix="jpg")


if __name__ == "__main__":
    main()
