"""Writers of data sets in the formats that people have; they share no code with the readers."""

import csv
import gzip
import io
import itertools
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat


def encoded(samples, seed=0, size=20, suffix="PNG"):
    """Return encoded images of random pixels."""
    random = np.random.default_rng(seed)
    images = []
    for _ in range(samples):
        file = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (size, size + 4, 3), dtype=np.uint8)).save(file, suffix)
        images.append(file.getvalue())
    return images


def write_folder(folder, images, labels, suffix="png"):
    """Write an image folder: one directory per class."""
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / f"class{label:03d}" / f"{i:06d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)


def write_parquet(folder, images, labels, *, names=None, shards=3, group=100, struct=True, split="test"):
    """Write Parquet files as the Hub has them, with names of the classes in the schema's metadata.

    The column `image` is a struct, or bytes; `group` is the number of samples in a row group.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cuts = np.linspace(0, len(images), shards + 1).astype(int)
    for i, (start, stop) in enumerate(itertools.pairwise(cuts)):
        some = [{"bytes": p, "path": f"{j}.png"} for j, p in enumerate(images[start:stop])]
        columns = {"image": some if struct else images[start:stop], "label": [int(v) for v in labels[start:stop]]}
        table = pa.table(columns)
        if names:
            features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, folder / f"{split}-{i:05d}-of-{shards:05d}.parquet", row_group_size=group)


def write_tars(folder, images, labels, *, shards=3, suffix="png", json_labels=False, names=None):
    """Write WebDataset's tar shards: `<key>.png` with `<key>.cls` or `<key>.json`, shards by number."""
    folder.mkdir(parents=True, exist_ok=True)
    cuts = np.linspace(0, len(images), shards + 1).astype(int)
    for i, (start, stop) in enumerate(itertools.pairwise(cuts)):
        with tarfile.open(folder / f"{i}.tar", "w") as tar:
            for j in range(start, stop):
                label = json.dumps({"label": int(labels[j])}) if json_labels else str(labels[j])
                for extension, content in (("json" if json_labels else "cls", label.encode()), (suffix, images[j])):
                    member = tarfile.TarInfo(f"s{j:06d}.{extension}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    if names:
        (folder / "classnames.txt").write_text("\n".join(names))


def idx(array):
    """Return the content of an idx file, MNIST's format of an array of bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_mnist(folder, images, labels, *, packed=False):
    """Write MNIST's test set as torchvision keeps it, in `MNIST/raw`."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)):
        content = idx(np.asarray(array))
        (raw / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


def write_svhn(folder, images, labels):
    """Write SVHN's `test_32x32.mat`: X (32, 32, 3, n), and y (n, 1) with 10 for the digit zero."""
    folder.mkdir(parents=True)
    y = np.array([[10 if label == 0 else label] for label in labels], np.uint8)
    savemat(folder / "test_32x32.mat", {"X": np.moveaxis(images, 0, -1), "y": y}, do_compression=True)


def write_gtsrb(folder, images, labels):
    """Write GTSRB's test set as torchvision keeps it."""
    below = folder / "GTSRB" / "Final_Test" / "Images"
    below.mkdir(parents=True)
    with (folder / "GT-final_test.csv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId"])
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            (below / f"{i:05d}.ppm").write_bytes(image)
            rows.writerow([f"{i:05d}.ppm", 24, 20, 1, 1, 20, 20, label])


def write_cars(folder, images, labels, names):
    """Write the test set of Stanford Cars as torchvision keeps it; the file numbers classes from 1."""
    (folder / "cars_test").mkdir(parents=True)
    (folder / "devkit").mkdir()
    records = []
    for i, (image, label) in enumerate(zip(images, labels, strict=True), 1):
        (folder / "cars_test" / f"{i:05d}.jpg").write_bytes(image)
        records.append((1, 2, 3, 4, label + 1, f"{i:05d}.jpg"))
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]
    annotations = np.array(records, dtype=[(name, object) for name in fields]).reshape(1, -1)
    savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": annotations})
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array(names, dtype=object).reshape(1, -1)})


def write_listed(folder, images, labels, names, *, below, listed, line):
    """Write a directory per class in `below`, and a list with one line a sample; one more image is not in the list.

    `line` is the format of a line, with `{directory}` and `{name}`.
    """
    lines = []
    for i, (image, label) in enumerate(zip([*images, images[0]], [*labels, 0], strict=True)):
        name = f"{names[label].rpartition('/')[2]}_{i:03d}.jpg"
        path = folder / below / names[label] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
        lines.append(line.format(directory=names[label], name=name))
    (folder / listed).parent.mkdir(parents=True, exist_ok=True)
    (folder / listed).write_text("\n".join(lines[:-1]) + "\n")
