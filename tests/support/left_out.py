"""A small experiment with a data set on which methods that need labels are left out."""

import tiny


def unlabelled(folder):
    """Write an experiment whose second data set has no labels; return its file."""
    datasets = [{"name": "one", "images": "one", "group": "id"}, {"name": "loose", "images": "loose", "group": "ood"}]
    file = tiny.experiment(folder, samples=9, datasets=datasets, baselines=["individual", "oracle"])
    (folder / "loose").mkdir()
    for path in (folder / "two").rglob("*.png"):
        path.rename(folder / "loose" / path.name)
    return file
