"""The bytes of a store: bytes a sample of each table as the project's own writers make it, and of many checkpoints.

Logits are drawn, everything else is computed from them by the stages themselves: one fine-tuned model beside its base,
on one data set. The projection counts the base's outputs and the names of samples once, and everything else once for
each checkpoint.

    python -m benchmarks.store_bytes --classes 1000
"""

import argparse
import tempfile
from collections.abc import Mapping
from typing import Any

from benchmarks.reporting import report

_SHARED = ("names", "outputs of the base")


def _reference(samples: int, classes: int) -> Any:
    from storage.cuts import samples_per_object
    from tasks.datasets.preprocessing import Preprocessing
    from tasks.references.datasets import DatasetReference

    preprocessing = Preprocessing(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
    return DatasetReference(
        name="images",
        url="images",
        group="id",
        digest="0123456789abcdef" * 2,
        samples=samples,
        classes=classes,
        limit=None,
        preprocessing=preprocessing,
        shard=samples_per_object(classes),
    )


def _write_names(dataset: Any, store: Any) -> None:
    """Write names as long as those of ImageNet's validation images."""
    from storage import keys
    from storage.schemas import SAMPLES
    from storage.tables import TableWriter
    from tasks.references.names import NamesReference

    reference = NamesReference(of=dataset)
    for span in dataset.spans:
        index = list(range(*span))
        labels = [i % dataset.classes for i in index]
        folders = [f"n{1_440_764 + 7_919 * label:08d}" for label in labels]
        columns = {
            "sample_index": index,
            "name": [f"{folder}/ILSVRC2012_val_{i:08d}.JPEG" for folder, i in zip(folders, index, strict=True)],
            "label": labels,
            "label_name": folders,
        }
        writer = TableWriter(store, keys.samples(reference.prefix, span), SAMPLES, identity=reference.identity)
        writer.append(columns)
        writer.commit()


def _measured(samples: int, classes: int, folder: str) -> list[dict[str, Any]]:
    """Return the objects and bytes of each table of a run on one data set."""
    from benchmarks.made_up_run import write_run
    from flows.experiment.settings import Experiment
    from storage import keys
    from storage.store import Store

    content = {
        "name": "bytes",
        "models": [{"name": name, "checkpoint": f"{folder}/{name}.pt"} for name in ("base", "tuned")],
        "datasets": [{"name": "images", "images": f"{folder}/images", "group": "id"}],
    }
    store, dataset = Store(f"{folder}/store"), _reference(samples, classes)
    _write_names(dataset, store)
    write_run(Experiment.model_validate(content), [dataset], store)
    found: dict[str, dict[str, Any]] = {}
    for key, stored in store.listing().items():
        name = _name(store, key)
        row = found.setdefault(name, {"table": name, "objects": 0, "bytes": 0, "manifests": 0})
        is_manifest = key.endswith(keys.MANIFEST_SUFFIX)
        row["objects"] += not is_manifest
        row["bytes"] += stored.size
        row["manifests"] += stored.size if is_manifest else 0
    return [{**row, "bytes a sample": row["bytes"] / samples} for row in found.values()]


def _name(store: Any, key: str) -> str:
    """Return the name of the table that an object or a manifest belongs to; outputs by their model."""
    from storage import keys
    from storage.manifests import read_manifest

    table = key.partition("/")[0]
    if table == "outputs":
        is_base = read_manifest(store, key.removesuffix(keys.MANIFEST_SUFFIX)).identity["weights"] == f"{0:064x}"
        return "outputs of the base" if is_base else "outputs of a checkpoint"
    return "names" if table == "samples" else table


def _projected(rows: list[dict[str, Any]], asked: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return each table's objects and GB for many checkpoints and data sets; results grow with the data sets too."""
    times = {row["table"]: asked["sets"] * (1 if row["table"] in _SHARED else asked["checkpoints"]) for row in rows}
    found = [
        {
            "table": row["table"],
            "objects": row["objects"] * times[row["table"]],
            "GB": row["bytes"] * times[row["table"]] / 1e9,
        }
        for row in rows
    ]
    whole = {"table": "in all", "objects": sum(r["objects"] for r in found), "GB": sum(r["GB"] for r in found)}
    return [*found, whole]


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000, help="of a data set")
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--checkpoints", type=int, default=1_000, help="of the projection")
    parser.add_argument("--sets", type=int, default=6, help="data sets of the projection")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = _measured(arguments.samples, arguments.classes, folder)
    report("store_bytes", rows, arguments)
    report("store_bytes_projected", _projected(rows, vars(arguments)), arguments)


if __name__ == "__main__":
    main()
