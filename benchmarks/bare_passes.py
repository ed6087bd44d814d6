"""Three passes over a folder of images as a plain script writes them: the base, the fine-tuned model, and their mean.

Each pass decodes all images anew with torch's own loader, one process for each core, and keeps the logits. Nothing is
stored, no entropy is computed and nothing is checked. `benchmarks.pipeline` runs it as a process of its own, which
prints one line when its imports are done and the passes begin.
"""

import argparse
import os
from pathlib import Path
from typing import Any

BEGIN = "passes begin"


def run_passes(folder: Path, arch: str | None, batch: int) -> None:
    """Run the three passes.

    Args:
        folder: holds `base.pt`, `tuned.pt`, and the images in `images`, a folder for each class.
        arch: the open_clip model; None: the shape of the tensors decides.
        batch: images in a batch.
    """
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    from tasks.models.classifier import ImageClassifier, build_classifier

    states = [state_of(folder / f"{name}.pt") for name in ("base", "tuned")]
    states.append({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    print(BEGIN, flush=True)
    for state in states:
        model: ImageClassifier = build_classifier(state, "bare", arch, "cpu")
        images = ImageFolder(str(folder / "images"), transform=transform_of(model))
        loader: Any = DataLoader(images, batch_size=batch, num_workers=len(os.sched_getaffinity(0)))
        with torch.inference_mode():
            logits = torch.cat([model(batch) for batch, _ in loader])
        assert len(logits) == len(images)


def state_of(file: Path) -> dict[str, Any]:
    """Return the tower and the head of a checkpoint, by the names of a classifier."""
    import torch

    found = torch.load(file, weights_only=True)
    return {
        name.replace("classification_head", "head"): tensor
        for name, tensor in found.items()
        if name.startswith(("visual.", "classification_head."))
    }


def transform_of(model: Any) -> Any:
    """Return open_clip's own preprocessing for a model's size of images."""
    from open_clip.transform import image_transform

    size = model.visual.image_size
    return image_transform(size[0] if isinstance(size, tuple) else size, is_train=False)


def main() -> None:
    """Run the passes over the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--arch")
    parser.add_argument("--batch", type=int, required=True)
    arguments = parser.parse_args()
    run_passes(arguments.folder, arguments.arch, arguments.batch)


if __name__ == "__main__":
    main()
