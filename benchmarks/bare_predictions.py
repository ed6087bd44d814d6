"""The passes of `dawin predict` as a plain loop writes them: both models, and the merged model of each image's cluster.

Each image is decoded once, with torch's own loader. The loop has the mixture and the offset at hand, keeps predictions
in memory and writes nothing. `benchmarks.predict` runs it as a process of its own, which prints one line when its
imports are done and the pass begins.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bare_passes import BEGIN, state_of, transform_of


def predict(folder: Path, images: Path, rule: dict[str, Any], arch: str | None, batch: int) -> None:
    """Predict all images.

    Args:
        folder: holds `base.pt` and `tuned.pt`.
        images: folder of images, with a folder for each class.
        rule: `offset` (b, w), and of the mixture `weights`, `concentration` and `coefficients`.
        arch: the open_clip model; None: the shape of the tensors decides.
        batch: images in a batch.
    """
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder

    from tasks.models.classifier import build_classifier
    from tasks.numerics.clustering import assign
    from tasks.numerics.expertise import interpolation_coefficients
    from tasks.numerics.offset import Offset

    base, tuned = (state_of(folder / f"{name}.pt") for name in ("base", "tuned"))
    weights, concentration, means = (np.array(rule[name]) for name in ("weights", "concentration", "coefficients"))
    states = [base, tuned, *({name: a * base[name] + b * tuned[name] for name in base} for a, b in means.tolist())]
    models = [build_classifier(state, "bare", arch, "cpu") for state in states]
    print(BEGIN, flush=True)
    loader: Any = DataLoader(
        ImageFolder(str(images), transform=transform_of(models[0])),
        batch_size=batch,
        num_workers=len(os.sched_getaffinity(0)),
    )
    found = []
    with torch.inference_mode():
        for pixels, _ in loader:
            log_p = [model(pixels).double().log_softmax(1) for model in models[:2]]
            entropies = [-(one.exp() * one).sum(1).numpy() for one in log_p]
            tuned_part = interpolation_coefficients(*entropies, offset=Offset(*rule["offset"]))
            cluster = assign(weights, concentration, np.column_stack([1 - tuned_part, tuned_part])).assignment
            logits = torch.empty(log_p[0].shape)
            for k in np.unique(cluster):
                mine = torch.from_numpy(cluster == k)
                logits[mine] = models[2 + k](pixels[mine])
            found.append(logits.argmax(1))
    assert len(torch.cat(found)) == len(loader.dataset)


def main() -> None:
    """Run the loop over the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("rule", type=Path)
    parser.add_argument("--arch")
    parser.add_argument("--batch", type=int, required=True)
    arguments = parser.parse_args()
    rule = json.loads(arguments.rule.read_text())
    predict(arguments.folder, arguments.images, rule, arguments.arch, arguments.batch)


if __name__ == "__main__":
    main()
