"""Three tasks with heads of their own, four towers near one another: the example of merging by task vectors."""

import numpy as np
import polars as pl
import safetensors.torch
import tiny
import torch
import yaml
from open_clip import image_transform
from PIL import Image
from scipy.special import log_softmax

from tasks.methods.registry import METHODS
from tasks.models.descriptions import CLIP_MEAN, CLIP_STD

SAMPLES = 24
NAMES = ["base", "first", "second", "third"]
FAMILIES = [name for name, method in METHODS.items() if method.is_baseline]


def states():
    """Four towers near one another, without heads."""
    base = tiny.classifier(0).visual.state_dict()
    random = torch.Generator().manual_seed(5)
    tuned = [{n: t + 0.05 * torch.randn(t.shape, generator=random) for n, t in base.items()} for _ in NAMES[1:]]
    return [{f"visual.{n}": t for n, t in state.items()} for state in (base, *tuned)]


def build(folder):
    """Write three tasks on images of their own, with heads of 3, 4 and 5 classes, as task-vectors checkpoints come."""
    for name, state in zip(NAMES, states(), strict=True):
        safetensors.torch.save_file(state, folder / f"{name}.safetensors")
    heads = {}
    for i, task in enumerate(("a", "b", "c")):
        tiny.image_folder(folder / task, SAMPLES, i, classes=3 + i)
        torch.manual_seed(i)
        head = {"weight": 20 * torch.randn(3 + i, 16) / 4, "bias": torch.zeros(3 + i)}
        safetensors.torch.save_file(head, folder / f"head_{task}.safetensors")
        heads[task] = f"head_{task}.safetensors"
    content = {
        "name": "multi",
        "models": [{"name": name, "checkpoint": f"{name}.safetensors"} for name in NAMES],
        "heads": heads,
        "datasets": [{"name": task, "images": task, "group": "tasks"} for task in heads],
        "merge": {
            "kind": "task-vectors",
            "granularity": ["clusters", "bins", "samples"],
            "clusters": 2,
            "bins": 4,
            "scale": 0.3,
        },
        "methods": {"greedy-soup": {"held_out": "a"}, "adamerging": {"steps": 3, "batch_size": 8}},
        "baselines": [name for name in FAMILIES if name != "random"] + ["random/uniform"],
        "batch_size": 16,
    }
    (folder / "multi.yaml").write_text(yaml.safe_dump(content))
    return folder


def log_p_of(folder, task, state):
    """Return log-probabilities by independent code: the state's tower, the task's head."""
    head = safetensors.torch.load_file(folder / f"head_{task}.safetensors")
    module = tiny.classifier(0, classes=len(head["bias"]))
    module.load_state_dict({**state, "head.weight": head["weight"], "head.bias": head["bias"]})
    transform = image_transform(16, is_train=False, mean=CLIP_MEAN, std=CLIP_STD)
    files = sorted((folder / task).rglob("*.png"), key=lambda path: (path.parent.name, path.name))
    with torch.no_grad():
        logits = module(torch.stack([transform(Image.open(path)) for path in files])).double().numpy()
    return log_softmax(logits, axis=1)


def entropy(log_p):
    """Return the entropy of log-probabilities, nats."""
    return -(np.exp(log_p) * log_p).sum(-1)


def stored(table, method, task):
    """Return a method's per-sample table on one task."""
    rows, store = table
    row = rows.filter(method=method, dataset=task, metric="top1").row(0, named=True)
    where = f"{store}/{row['samples_table']}/dataset={row['dataset_digest']}/**/id={row['samples_id']}/*.parquet"
    return pl.read_parquet(where).sort("sample_index")


def combined(weights):
    """Return Σ_m w_m θ_m."""
    return {n: sum(w * s[n] for w, s in zip(weights, states(), strict=True)) for n in states()[0]}
