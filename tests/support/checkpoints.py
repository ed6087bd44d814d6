"""Examples of every checkpoint family, written as that family's own code writes them, and read as the pipeline does."""

import open_clip
import pickled
import pytest
import safetensors.torch
import torch
from torch import nn

from storage.locations import Location
from tasks.models.checkpoint import read_checkpoint
from tasks.models.tower import build_tower, infer_shape
from tasks.opening.convert_checkpoint import convert_checkpoint

VISION = {"layers": 2, "width": 128, "patch_size": 8, "image_size": 32}
TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
HUGGING_FACE_VISION = {
    "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8, "hidden_act": "quick_gelu",
}  # fmt: skip
IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(7))
_HEAD = {"classification_head.weight": torch.ones(4, 24), "classification_head.bias": torch.zeros(4)}


def clip(seed=1):
    """A whole CLIP as open_clip builds it, with 24 features."""
    torch.manual_seed(seed)
    return open_clip.model.CLIP(24, VISION, TEXT, quick_gelu=True).eval().requires_grad_(False)


def read(url):
    """The vision tower and head of a checkpoint, as the pipeline reads them."""
    location = Location(str(url))
    with location.open() as file:
        return read_checkpoint(file, location.url, location.path if location.is_local else None)


def features(state):
    """The features that our tower computes for `IMAGES` with tensors that were read."""
    tower = build_tower(infer_shape(state, "here"))
    tower.load_state_dict({n.removeprefix("visual."): t for n, t in state.items() if n.startswith("visual.")})
    with torch.no_grad():
        return tower.eval()(IMAGES)


def _state_dict(path, made):
    torch.save(made.state_dict(), path)


def _training_checkpoint(path, made):
    state = {f"module.{name}": tensor for name, tensor in made.state_dict().items()}
    torch.save({"epoch": 1, "name": "x", "state_dict": state, "optimizer": {"state": {}, "lr": 1e-4}}, path)


def _safetensors(path, made):
    safetensors.torch.save_file(made.state_dict(), path)


def _torchscript(path, made):
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.visual, self.logit_scale = made.visual, made.logit_scale

        def forward(self, images):
            return self.visual(images) * self.logit_scale.exp()

    torch.jit.save(torch.jit.trace(Whole(), IMAGES, check_trace=False), path)


def _model_soup(path, made):
    torch.save({**{f"model.{name}": tensor for name, tensor in made.state_dict().items()}, **_HEAD}, path)


def _with_classification_head(path, made):
    torch.save({**made.state_dict(), **_HEAD}, path)


def _converted(path, made):
    soup = path.with_name("soup.pt")
    _model_soup(soup, made)
    convert_checkpoint(Location(str(soup)), path)


def _hugging_face(path, made):
    """Their own model, which gives other features than the CLIP that was made."""
    transformers = pytest.importorskip("transformers")
    settings = transformers.CLIPVisionConfig(**HUGGING_FACE_VISION, projection_dim=24)
    theirs = transformers.CLIPVisionModelWithProjection(settings).eval()
    safetensors.torch.save_file(theirs.state_dict(), path)
    with torch.no_grad():
        return theirs(pixel_values=IMAGES).image_embeds


_WRITERS = {
    "open_clip": ("open-clip", _state_dict),
    "open_clip training": ("open-clip", _training_checkpoint),
    "open_clip safetensors": ("open-clip", _safetensors),
    "openai torchscript": ("open-clip", _torchscript),
    "model-soups": ("model-soups", _model_soup),
    "task-vectors": ("task-vectors", pickled.write_encoder),
    "plain state dict": ("state-dict", _with_classification_head),
    "converted": ("ours", _converted),
    "hugging face": ("hugging-face", _hugging_face),
}
EXAMPLES = {example: family for example, (family, _) in _WRITERS.items()}
"""The name of each example, and the family that has to recognise it."""


def write(example, path):
    """Write an example; return the features that its own code computes for `IMAGES`."""
    made = clip()
    with torch.no_grad():
        expected = made.encode_image(IMAGES)
    found = _WRITERS[example][1](path, made)
    return expected if found is None else found
