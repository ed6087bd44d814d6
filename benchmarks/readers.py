"""Images a second that are read and decoded from an image folder, Parquet and tar shards of the same images.

Decoding dominates and is the same in all three, so the differences show the cost of reading. The formats are read in
turn, and the table has the median over the rounds and its ratio to that of the image folder.

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

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))  # writes the formats


import formats

from benchmarks.reporting import report
from tasks.datasets.decoding import Decoder
from tasks.datasets.loading import batches
from tasks.datasets.preprocessing import Preprocessing
from tasks.opening.list_samples import list_dataset

FORMATS = ("folder", "parquet", "tar")


def main() -> None:
    """Write the images in three formats, read each several times, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_CACHE_HOME"] = f"{temporary}/cache"
        _write(Path(temporary), options.samples, options.size)
        settings = Preprocessing(size=32, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
        seconds: dict[str, list[float]] = {name: [] for name in FORMATS}
        seconds_to_list: dict[str, float] = {}
        for _ in range(options.rounds):
            for name in FORMATS:
                began = time.perf_counter()
                samples = list_dataset(f"{temporary}/{name}", None, settings).samples
                seconds_to_list.setdefault(name, time.perf_counter() - began)
                began = time.perf_counter()
                decoder = Decoder(samples, settings)
                count = 0
                for batch in batches(decoder, samples.labels, [(0, len(samples))], 256, options.workers):
                    count += len(batch.images)
                assert count == options.samples
                seconds[name].append(time.perf_counter() - began)
    rates = {name: options.samples / float(np.median(seconds[name])) for name in FORMATS}
    rows = [
        {
            "format": name,
            "first listed in, s": seconds_to_list[name],
            "images a second": rates[name],
            "× the folder's": rates[name] / rates["folder"],
        }
        for name in FORMATS
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
    images, labels = [few[i % 200] for i in range(samples)], np.arange(samples) * 100 // samples
    formats.write_folder(root / "folder", images, labels, "jpg")
    formats.write_parquet(root / "parquet", images, labels, shards=4, group=1000)
    formats.write_tars(root / "tar", images, labels, shards=8, suffix="jpg")


if __name__ == "__main__":
    main()
