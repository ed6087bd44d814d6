"""A run of two models on two data sets, other images, and the predictions of its methods on them."""

import polars as pl
import tiny
from runs import run

from flows.cli import main

CLUSTERED, BINNED, OWN = "dawin/clusters-2", "dawin/bins-4", "dawin/samples"


def make_place(folder):
    """Run the experiment, write images in folders whose names are no classes; return folder, file and store."""
    merge = {"granularity": ["clusters", "bins", "samples"], "clusters": 2, "bins": 4}
    baselines = [
        "individual",
        "wise-ft/0.50",
        "ties/1.00",
        "greedy-soup",
        "output-ensemble/dynamic",
        "classifier-selection",
        "oracle",
    ]
    methods = {"greedy-soup": {"held_out": "two"}}
    file = tiny.experiment(folder, samples=24, merge=merge, baselines=baselines, methods=methods)
    tiny.image_folder(folder / "new", 40, 7, classes=5)
    run(file, folder / "store")
    return folder, file, str(folder / "store")


def predict(place, method, *more, images="new", name="out"):
    """Run the command; return the rows of its file."""
    folder, file, store = place
    out = folder / f"{name}.parquet"
    out.unlink(missing_ok=True)
    words = ["predict", file, "--method", method, "--dataset", "one", "--images", str(folder / images)]
    assert main([*words, "-o", str(out), "--store", store, "-q", *more]) == 0
    return pl.read_parquet(out)
