"""Small whole CLIPs, text towers included, their experiment, and the exports of its methods."""

import json
import subprocess
import sys
from pathlib import Path

import open_clip
import polars as pl
import safetensors.torch
import tiny
import torch
import yaml
from PIL import Image
from torch.nn import functional

from flows.cli import main
from tasks.merging.combination import combine
from tasks.models.classifier import build_classifier
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

VISION = {"layers": 2, "width": 64, "head_width": 32, "mlp_ratio": 2.0, "patch_size": 8, "image_size": 16}
TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
FEATURES, CLASSES = 24, 3
_NEARNESS = 0.05  # of fine-tuned weights to the base's


def clip(**vision):
    """A whole CLIP as open_clip builds it."""
    torch.manual_seed(1)
    return open_clip.CLIP(FEATURES, {**VISION, **vision}, TEXT, quick_gelu=True).eval().requires_grad_(False)


def states(count, made=None, classes=CLASSES):
    """State dicts of a base and of models tuned from it, each with a head; the base's text tower is in all of them."""
    base, random = (made or clip()).state_dict(), torch.Generator().manual_seed(5)
    found = []
    for number in range(count):
        near = {n: t + number * _NEARNESS * torch.randn(t.shape, generator=random) for n, t in base.items()}
        head = {"classification_head.weight": 12 * torch.randn(classes, FEATURES, generator=random)}
        head["classification_head.bias"] = torch.randn(classes, generator=random)
        found.append({**{n: t for n, t in near.items() if n.startswith("visual.")}, **_text(base), **head})
    return found


def _text(base):
    return {name: tensor for name, tensor in base.items() if not name.startswith("visual.")}


def describe(folder, **vision):
    """Write open_clip's description of the CLIPs; `vision` overrides settings of their vision tower."""
    configuration = {"embed_dim": FEATURES, "quick_gelu": True, "vision_cfg": {**VISION, **vision}, "text_cfg": TEXT}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": configuration}))


def build(folder, count=2, vision=None, classes=CLASSES, **settings):
    """Write models, two data sets and an experiment file; return the file's path."""
    folder, names = Path(folder), ["base", "tuned", "third"][:count]
    folder.mkdir(parents=True, exist_ok=True)
    for name, state in zip(names, states(count, clip(**(vision or {})), classes), strict=True):
        torch.save(state, folder / f"{name}.pt")
    describe(folder, **(vision or {}))
    for seed, name in enumerate(("one", "two")):
        tiny.image_folder(folder / name, 30, seed, classes=CLASSES)
    content = {
        "name": "small",
        "models": [{"name": n, "checkpoint": f"{n}.pt", "temperature": 0.9 + i / 10} for i, n in enumerate(names)],
        "datasets": [{"name": n, "images": n, "group": g} for n, g in (("one", "id"), ("two", "ood"))],
        "merge": {"granularity": ["clusters", "bins", "samples"], "clusters": 2, "bins": 5},
        "baselines": ["individual", "wise-ft", "output-ensemble", "classifier-selection", "oracle", "random"],
        "batch_size": 16,
        **settings,
    }
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


def exported(file, store, method, target, *words):
    """Export a method with the command line; return the folder."""
    assert main(["export", file, "--method", method, "--store", str(store), "-q", *words, "-o", str(target)]) == 0
    return Path(target)


def images(folder, dataset, size=16):
    """The images of a data set as the models take them, in its order."""
    transform = open_clip.image_transform(size, is_train=False, mean=CLIP_MEAN, std=CLIP_STD)
    files = sorted((Path(folder) / dataset).rglob("*.png"), key=lambda path: (path.parent.name, path.name))
    return torch.stack([transform(Image.open(path)) for path in files])


def predictions(rows, store, method, dataset):
    """The stored table of a method's predictions, in the data set's order."""
    row = rows.filter(method=method, dataset=dataset, metric="top1").row(0, named=True)
    where = f"{store}/{row['samples_table']}/dataset={row['dataset_digest']}/**/id={row['samples_id']}/*.parquet"
    return pl.read_parquet(where).sort("sample_index")


ALONE = """
import runpy, sys
allowed = {"torch", "router", "__main__"} | sys.stdlib_module_names
sys.path[:] = [p for p in sys.path if p]
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("open_clip", "safetensors", "timm", "transformers", "tasks", "flows", "storage"):
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Refused())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program on a machine with torch alone."""


def routed(folder, pictures):
    """The classes that `router.py` of a folder prints, in a process of its own that finds torch alone."""
    torch.save(pictures, folder.parent / "images.pt")
    words = [sys.executable, "-c", ALONE, str(folder / "router.py"), str(folder.parent / "images.pt")]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=folder.parent, check=False)
    assert ended.returncode == 0, ended.stderr
    return [int(line) for line in ended.stdout.split()]


def merged(row, count=2):
    """The state of a merge by `combine`, head included, by open_clip's names."""
    found = []
    for state in states(count):
        visual = {name: tensor for name, tensor in state.items() if name.startswith("visual.")}
        head = {f"head.{kind}": state[f"classification_head.{kind}"] for kind in ("weight", "bias")}
        found.append({**visual, **head})
    return combine(found, row)


def logits_of(state, images):
    """The logits of a state, run by the pipeline's own classifier."""
    described = {"embed_dim": FEATURES, "quick_gelu": True, "vision_cfg": VISION}
    return build_classifier(state, "a test", json.dumps(described))(images)


def models_at(**places):
    """A setting that names models by their checkpoints."""
    return f"models=[{', '.join(f'{{name: {name}, checkpoint: {place}}}' for name, place in places.items())}]"


def scored(features, head):
    """Logits of features with an exported head."""
    return functional.normalize(features, dim=-1) @ head["head.weight"].T + head["head.bias"]


def ours(folder):
    """The tensors in our own form."""
    return safetensors.torch.load_file(folder / "checkpoint.safetensors")
