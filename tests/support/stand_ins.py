"""Small stand-ins for public checkpoints and data sets, in the places where published experiments look for them."""

import json
import shutil

import formats
import numpy as np
import pickled
import tiny
import torch
from open_clip.model import CLIP

from tasks.datasets.label_spaces import OBJECTNET_FILES

_TEXT = {"context_length": 8, "vocab_size": 64, "width": 64, "heads": 1, "layers": 1}
_VISION = {"layers": 1, "width": 64, "patch_size": 8, "image_size": 16}
_FOLDERS = {
    "imagenet/val": ["n01440764", "n01443537"],
    "imagenetv2-matched-frequency-format-val": ["0", "10", "2"],
    "imagenet-r": ["n01443537", "n01484850"],
    "imagenet-a": ["n01498041", "n01531178"],
    "sketch": ["n01440764", "n03014705"],
    "objectnet-1.0/images": ["banana", "mug", "air"],
}


def imagenet_shifts(models, data):
    """Write two classifiers of 1,000 classes, and images of ImageNet and its five shifts, three of each class."""
    for seed, name in enumerate(("zeroshot", "finetuned"), 1):
        tiny.checkpoint(models / "vit-b32" / f"{name}.pt", seed, classes=1000)
    _imagenet_images(data)


def model_soups(models, data):
    """Write 72 checkpoints of the soups around one start, and images of ImageNet, its shifts and the held-out set.

    As in the release, `model_0.pt` is the start, and `model_4.pt` equals `model_5.pt`. The classifiers have 1,000
    classes and say one of the first two, so that some of their answers are right.
    """
    start = tiny.soup_state(0, classes=1000)
    start["classification_head.bias"][:2] += 100.0
    random = torch.Generator().manual_seed(1)
    folder = models / "model-soups"
    folder.mkdir(parents=True)
    torch.save(start, folder / "model_0.pt")
    for number in range(1, 72):
        state = {n: t + 0.02 * torch.randn(t.shape, generator=random) for n, t in start.items()}
        torch.save(state, folder / f"model_{number}.pt")
    shutil.copy(folder / "model_4.pt", folder / "model_5.pt")
    _imagenet_images(data)
    for i, name in enumerate(("n01440764", "n01443537")):
        tiny.image_folder(data / "imagenet-minival" / name, 3, 10 + i, classes=1)


def _imagenet_images(data):
    """Write images of ImageNet and its five shifts, three of each class."""
    for place, classes in _FOLDERS.items():
        for i, name in enumerate(classes):
            tiny.image_folder(data / place / name, 3, i, classes=1)
    mappings = data / "objectnet-1.0" / "mappings"
    mappings.mkdir()
    contents = [{"banana": "Banana", "mug": "Mug", "air": "Air"}, {"Banana": "banana", "Mug": "mug; cup"}]
    contents.append({str(i): i for i in range(1000)})
    for name, content in zip(OBJECTNET_FILES, contents, strict=False):
        (mappings / name).write_text(json.dumps(content))
    lines = ["banana", "mug", "cup", *(f"class {i}" for i in range(3, 1000))]
    (mappings / OBJECTNET_FILES[3]).write_text("\n".join(lines))


def eight_tasks(models, data):
    """Write nine pickled encoders, eight pickled heads, and six images of each task."""
    clips = []
    for seed in range(9):
        torch.manual_seed(0)
        made = CLIP(16, _VISION, _TEXT, quick_gelu=True)
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in made.visual.parameters():
                parameter.add_(0.02 * seed * torch.randn_like(parameter))
        clips.append(made)
    below = models / "ViT-B-32"
    pickled.write_encoder(below / "zeroshot.pt", clips[0])
    for made, (task, classes) in zip(clips[1:], _eight_data_sets(data).items(), strict=True):
        pickled.write_encoder(below / task / "finetuned.pt", made)
        pickled.write_head(below / f"head_{task}.pt", torch.randn(classes, 16) * 5)


def _eight_data_sets(data):
    """Write generated images as torchvision and torchgeo store them; return the number of classes by data set."""
    pictures, labels = formats.encoded(6), [0, 1, 2, 0, 1, 2]
    names = ["a/abbey", "b/barn", "c/castle"]
    formats.write_listed(
        data / "sun397", pictures, labels, names, below="SUN397", listed="Testing_01.txt", line="/{directory}/{name}"
    )
    (data / "sun397" / "ClassName.txt").write_text("".join(f"/{name}\n" for name in names))
    formats.write_cars(data / "stanford_cars", pictures, labels, ["AM General Hummer", "Acura RL", "Audi V8"])
    names = ["airplane", "bridge", "church"]
    formats.write_listed(
        data / "resisc45", pictures, labels, names, below="NWPU-RESISC45", listed="resisc45-test.txt", line="{name}"
    )
    formats.write_folder(data / "eurosat" / "2750", pictures, labels)
    arrays = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    formats.write_svhn(data / "svhn", arrays, labels)
    formats.write_gtsrb(data / "gtsrb", formats.encoded(6, suffix="PPM"), labels)
    formats.write_mnist(data, arrays[:, :28, :28, 0], labels)
    names = ["banded", "dotted", "woven"]
    formats.write_listed(
        data / "dtd",
        pictures,
        labels,
        names,
        below="dtd/images",
        listed="dtd/labels/test1.txt",
        line="{directory}/{name}",
    )
    return {"SUN397": 3, "Cars": 3, "RESISC45": 3, "EuroSAT": 3, "SVHN": 10, "GTSRB": 43, "MNIST": 10, "DTD": 3}
