"""Exported folders made by hand: the record of one, the results that it names, and files with their digests."""

import hashlib
import json
from datetime import UTC, datetime

from storage import keys
from storage.catalogue import commit_results
from storage.pointers import point_to_latest
from storage.schemas import RESULTS
from storage.tables import TableWriter

PREDICTIONS = "0123456789abcdef"
FILES = {
    "checkpoint.safetensors": b"\x00weights\xff" * 1000,
    "model-a b'[1]/checkpoint.safetensors": b"other weights",
    "router.json": b"{}\n",
    "router.py": b"'''A router.'''\n",
    "open_clip_config.json": b'{"model_cfg": {}}\n',
}


def record(**changes):
    """Return the content of a `dawin.json`; `changes` replace some of it."""
    files = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    return {
        "format": 1,
        "experiment": "digits",
        "run_id": None,
        "method": "dawin/clusters-2",
        "dataset": "clean",
        "dataset_digest": "d-clean",
        "kind": "clusters",
        "models": [
            {"name": "base", "url": "s3://bucket/base.pt", "digest": "a" * 64, "temperature": 0.9576},
            {"name": "tuned", "url": "file:///home/somebody/run7/tuned.pt", "digest": "b" * 64, "temperature": 1.0},
        ],
        "made": None,
        "coefficients": [[0.25, 0.75], [0.6, 0.4]],
        "scale": None,
        "architecture": "ViT-B-32-quickgelu",
        "preprocess": {
            "size": 224,
            "mean": [0.48, 0.46, 0.41],
            "std": [0.27, 0.26, 0.28],
            "interpolation": "bicubic",
            "resize_mode": "shortest",
            "fill": 0,
        },
        "classes": ["zero", "one", "two"],
        "precision": "fp32",
        "predictions_id": PREDICTIONS,
        "command": "dawin export digits.yaml --method dawin/clusters-2 -o out",
        "software": {"dawin": "0.1.0", "torch": "2.15.0", "python": "3.11.7"},
        "files": files,
        "bytes": sum(map(len, FILES.values())),
        **changes,
    }


def row(metric="top1", value=0.8117942283563363, **changes):
    """Return a row of results, as a mapping from column to value."""
    return {
        "method": "dawin/clusters-2",
        "dataset": "clean",
        "group": "id",
        "datasets": [changes.get("dataset", "clean")],
        "metric": metric,
        "value": value,
        "ci_low": value - 0.0312345678,
        "ci_high": value + 0.0287654321,
        "samples": 797,
        "uses_labels": False,
        "forward_passes": 3.0,
        "merged_models": 2,
        "extra_parameters": 0,
        "seconds": None,
        "images_per_second": None,
        "device": None,
        "published": None,
        "published_source": None,
        "samples_table": "predictions",
        "samples_id": PREDICTIONS,
        "dataset_digest": "d-clean",
        "note": None,
        "models": ["base", "tuned"],
        "weights": ["a" * 64, "b" * 64],
        "checkpoints": ["base.pt", "tuned.pt"],
        "precision": "fp32",
        "settings": "{}",
        "software": "dawin, by hand",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        **changes,
    }


def commit(store, rows, run_id="r1", *, experiment="digits", is_latest=True, plan=None):
    """Commit the results of a run, as aggregation does."""
    writer = TableWriter(store, keys.results(experiment, run_id), RESULTS, identity={"run": run_id})
    writer.append({name: [one[name] for one in rows] for name in RESULTS.arrow({}).names})
    commit_results(store, writer, {"plan": plan} if plan else {})
    if is_latest:
        point_to_latest(store, experiment, run_id)


def write_files(folder, content):
    """Write the files of an exported folder and its record, without a card."""
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "dawin.json").write_text(json.dumps(content, indent=2))
    return folder
