"""Pickled modules of the task-vectors code: an encoder around a CLIP, and a head that normalises its input."""

import sys
import types
from contextlib import contextmanager

import open_clip
import torch
from torch import nn


class ImageEncoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.train_preprocess = open_clip.image_transform(32, is_train=True)
        self.val_preprocess = open_clip.image_transform(32, is_train=False)
        self.cache_dir = None

    def forward(self, images):
        return self.model.encode_image(images)


class ClassificationHead(nn.Linear):
    def __init__(self, weights):
        super().__init__(*reversed(weights.shape))
        self.normalize = True
        self.weight = nn.Parameter(weights.clone())
        self.bias = nn.Parameter(torch.zeros_like(self.bias))


@contextmanager
def _their_module():
    """Have the classes come from a module `src.modeling`, which does not exist when the files are read."""
    modules = {"src": types.ModuleType("src"), "src.modeling": types.ModuleType("src.modeling")}
    for kind in (ImageEncoder, ClassificationHead):
        kind.__module__ = "src.modeling"
        setattr(modules["src.modeling"], kind.__name__, kind)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


def write_encoder(path, model):
    path.parent.mkdir(parents=True, exist_ok=True)
    with _their_module():
        torch.save(ImageEncoder(model).eval(), path)


def write_head(path, weights):
    with _their_module():
        torch.save(ClassificationHead(weights), path)
